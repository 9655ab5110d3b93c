/* Layout of sectors and slots in flash: how each piece is written and recognised. For flash_store.c only. */
#ifndef FLASH_SLOTS_H
#define FLASH_SLOTS_H

#include "millrace/flash_store.h"

/* What a slot holds. */
enum slot_state {
  SLOT_ERASED,
  SLOT_WAITING,
  SLOT_SPENT /* released, cut off in the middle, or corrupt: not to be used before the sector is erased */
};

/* Slot size and slots in a sector. False: not even one fits. */
bool slots_measure(const struct millrace_flash *flash, uint16_t max_payload, uint16_t *slot_size, uint8_t *slots);

/* Erases a sector and writes its header. OK; BROKEN. */
enum millrace_status slots_begin_sector(struct millrace_flash_store *store, uint32_t sector, uint32_t sequence,
                                        int32_t discarded);

/* Reads a sector's header. OK; CORRUPT: it has none; BROKEN. */
enum millrace_status slots_read_sector(struct millrace_flash_store *store, uint32_t sector, uint32_t *sequence,
                                       int32_t *discarded);

/* Finds out what a slot holds; a frame that waits is left in the store's frame memory. OK; BROKEN. */
enum millrace_status slots_scan(struct millrace_flash_store *store, uint32_t sector, uint8_t slot,
                                enum slot_state *state, uint16_t *length);

/* Writes a frame, reads it back, and commits it. OK; CORRUPT: it did not read back, the slot is spent; BROKEN. */
enum millrace_status slots_write(struct millrace_flash_store *store, uint32_t sector, uint8_t slot,
                                 const uint8_t *frame, uint16_t length);

/* Reads a committed frame, corrected if it has a correction, into the store's frame memory. OK; CORRUPT; BROKEN. */
enum millrace_status slots_read(struct millrace_flash_store *store, uint32_t sector, uint8_t slot, uint16_t *length);

/* OK; BROKEN. */
enum millrace_status slots_correct(struct millrace_flash_store *store, uint32_t sector, uint8_t slot, int64_t offset);
enum millrace_status slots_release(struct millrace_flash_store *store, uint32_t sector, uint8_t slot);

#endif
