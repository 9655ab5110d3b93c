/* Store in flash: a ring of sectors of fixed slots, one frame a slot. Frames survive resets and power cuts.
 *
 *   sector:  header (magic, sequence, discarded, CRC-32) | slot | slot | ...
 *   slot:    head (length, CRC-32) | commit mark | release mark | correction (offset, CRC-32) | frame
 *
 * A frame counts when its commit mark, written last, is no longer erased and its CRC matches; it is gone when its release
 * mark is no longer erased. Every mark is a write unit of its own. The sector to write next is the one written longest ago
 * of those without a frame to keep, so that wear spreads; when every sector has some, the frames of the oldest sector
 * without a taken one are discarded, and their samples counted. */
#ifndef MILLRACE_FLASH_STORE_H
#define MILLRACE_FLASH_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/flash.h"
#include "millrace/store.h"

/* What RAM must know of a sector. */
struct millrace_sector {
  uint32_t sequence; /* rises with each use; 0: holds nothing */
  uint8_t used;      /* slots written */
  uint8_t waiting;   /* slots with a frame that waits */
  uint8_t taken;     /* slots with a frame that is taken */
};

/* Caller's memory. */
struct millrace_flash_memory {
  struct millrace_sector *sectors; /* one for each sector of the region */
  uint8_t *waiting_bits;           /* millrace_flash_store_bits bytes */
  uint8_t *frame;                  /* max_payload rounded up to the write unit */
  uint16_t max_payload;
};

struct millrace_flash_store {
  struct millrace_flash flash;
  struct millrace_flash_memory memory;
  uint16_t slot_size;
  uint8_t slots;            /* in a sector */
  uint32_t active;          /* sector being written */
  uint32_t newest_sequence;
  uint32_t live_sequence;   /* frames from this sector and slot on are live */
  uint8_t live_slot;
};

/* Bytes of waiting_bits for a region. 0: a sector cannot hold a slot for max_payload. */
uint32_t millrace_flash_store_bits(const struct millrace_flash *flash, uint16_t max_payload);

/* Scans the region and takes up what is there: the frames that wait, oldest first, become the backlog. A region that holds
 * something else is taken for empty. *discarded: samples that were discarded before the reset and that no frame has
 * reported: give it to millrace_batcher_discard.
 * OK; BAD_ARGUMENT: fewer than two sectors, a sector too small for one slot, or an impossible write unit; BROKEN. */
enum millrace_status millrace_flash_store_open(struct millrace_flash_store *store, const struct millrace_flash *flash,
                                               const struct millrace_flash_memory *memory, int32_t *discarded);

struct millrace_store millrace_flash_store_port(struct millrace_flash_store *store);
struct millrace_sink millrace_flash_store_sink(struct millrace_flash_store *store);

#endif
