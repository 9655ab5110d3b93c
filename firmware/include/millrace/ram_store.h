/* Store in RAM: slots of one frame each in the caller's memory. For parts without flash to spare, and for the fleet. */
#ifndef MILLRACE_RAM_STORE_H
#define MILLRACE_RAM_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/store.h"

/* What a full store does with the next frame. */
enum millrace_when_full {
  MILLRACE_DISCARD_OLDEST, /* makes room: the oldest frame that waits is discarded and its samples are counted */
  MILLRACE_REFUSE          /* put returns FULL */
};

/* Slots joined by index: the head of a queue is its oldest frame. */
struct millrace_slots {
  uint16_t head;
  uint16_t tail;
};

struct millrace_slot {
  uint16_t next;
  uint16_t length;
};

struct millrace_ram_store {
  struct millrace_slot *slots;
  uint8_t *bytes;
  uint16_t slot_size;
  uint16_t free; /* a stack of unused slots */
  struct millrace_slots live;
  struct millrace_slots backlog;
  uint16_t waiting;
  enum millrace_when_full when_full;
};

/* Caller's memory: slot_count descriptors, and slot_count * slot_size bytes. The handle of a frame is its slot.
 * OK; BAD_ARGUMENT: slot_count is 0 or 65535. */
enum millrace_status millrace_ram_store_init(struct millrace_ram_store *store, struct millrace_slot *slots,
                                             uint16_t slot_count, uint8_t *bytes, uint16_t slot_size,
                                             enum millrace_when_full when_full);

/* The store as the publisher's port, and as the batcher's sink. */
struct millrace_store millrace_ram_store_port(struct millrace_ram_store *store);
struct millrace_sink millrace_ram_store_sink(struct millrace_ram_store *store);

/* As put in the port, and says which slot the frame is in. */
enum millrace_status millrace_ram_store_put(struct millrace_ram_store *store, const uint8_t *frame, uint16_t length,
                                            int32_t *discarded, uint16_t *slot);

/* Whether a frame can be put without discarding another. */
bool millrace_ram_store_has_room(const struct millrace_ram_store *store);

#endif
