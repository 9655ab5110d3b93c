#include "millrace/ram_store.h"

#include <string.h>

#define NONE UINT16_MAX

enum millrace_status millrace_ram_store_init(struct millrace_ram_store *store, struct millrace_slot *slots,
                                             uint16_t slot_count, uint8_t *bytes, uint16_t slot_size,
                                             enum millrace_when_full when_full) {
  if (slot_count == 0 || slot_count == NONE) return MILLRACE_BAD_ARGUMENT;
  store->slots = slots;
  store->bytes = bytes;
  store->slot_size = slot_size;
  store->when_full = when_full;
  store->waiting = 0;
  store->live.head = store->live.tail = NONE;
  store->backlog.head = store->backlog.tail = NONE;
  for (unsigned i = 0; i < slot_count; i++) slots[i].next = i + 1 < slot_count ? (uint16_t)(i + 1) : NONE;
  store->free = 0;
  return MILLRACE_OK;
}

static void append(struct millrace_ram_store *store, struct millrace_slots *queue, uint16_t slot) {
  store->slots[slot].next = NONE;
  if (queue->head == NONE) {
    queue->head = slot;
  } else {
    store->slots[queue->tail].next = slot;
  }
  queue->tail = slot;
  store->waiting++;
}

static uint16_t remove_oldest(struct millrace_ram_store *store, struct millrace_slots *queue) {
  uint16_t slot = queue->head;
  if (slot != NONE) {
    queue->head = store->slots[slot].next;
    store->waiting--;
  }
  return slot;
}

static uint8_t *bytes_of(const struct millrace_ram_store *store, uint16_t slot) {
  return store->bytes + (size_t)slot * store->slot_size;
}

/* Frees the oldest waiting frame. The samples it held, and those it reported as dropped, are lost from now on. */
static int32_t discard_oldest(struct millrace_ram_store *store) {
  struct millrace_frame_start start;
  int32_t samples = 0;
  uint16_t slot = remove_oldest(store, store->backlog.head != NONE ? &store->backlog : &store->live);

  if (slot == NONE) return 0;
  store->slots[slot].next = store->free;
  store->free = slot;
  if (millrace_frame_peek(bytes_of(store, slot), store->slots[slot].length, &start, &samples) != MILLRACE_OK) return 0;
  return samples > INT32_MAX - start.dropped ? INT32_MAX : samples + start.dropped;
}

enum millrace_status millrace_ram_store_put(struct millrace_ram_store *store, const uint8_t *frame, uint16_t length,
                                            int32_t *discarded, uint16_t *slot) {
  *discarded = 0;
  if (length > store->slot_size) return MILLRACE_BAD_ARGUMENT;
  if (store->free == NONE && store->when_full == MILLRACE_DISCARD_OLDEST) *discarded = discard_oldest(store);
  if (store->free == NONE) return MILLRACE_FULL;
  *slot = store->free;
  store->free = store->slots[*slot].next;
  store->slots[*slot].length = length;
  memcpy(bytes_of(store, *slot), frame, length);
  append(store, &store->live, *slot);
  return MILLRACE_OK;
}

bool millrace_ram_store_has_room(const struct millrace_ram_store *store) { return store->free != NONE; }

static enum millrace_status put(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded) {
  uint16_t slot;
  return millrace_ram_store_put(context, frame, length, discarded, &slot);
}

static enum millrace_status take(void *context, uint32_t *handle) {
  struct millrace_ram_store *store = context;
  uint16_t slot = remove_oldest(store, store->live.head != NONE ? &store->live : &store->backlog);
  if (slot == NONE) return MILLRACE_EMPTY;
  *handle = slot;
  return MILLRACE_OK;
}

static enum millrace_status read_frame(void *context, uint32_t handle, const uint8_t **frame, uint16_t *length) {
  struct millrace_ram_store *store = context;
  *frame = bytes_of(store, (uint16_t)handle);
  *length = store->slots[handle].length;
  return MILLRACE_OK;
}

static enum millrace_status correct(void *context, uint32_t handle, int64_t offset) {
  struct millrace_ram_store *store = context;
  struct millrace_slot *slot = &store->slots[handle];
  uint16_t length = millrace_frame_correct(bytes_of(store, (uint16_t)handle), slot->length, store->slot_size, offset);
  if (length == 0) return MILLRACE_CORRUPT;
  slot->length = length;
  return MILLRACE_OK;
}

static enum millrace_status release(void *context, uint32_t handle) {
  struct millrace_ram_store *store = context;
  store->slots[handle].next = store->free;
  store->free = (uint16_t)handle;
  return MILLRACE_OK;
}

static void divide(void *context) {
  struct millrace_ram_store *store = context;
  if (store->live.head == NONE) return;
  if (store->backlog.head == NONE) {
    store->backlog = store->live;
  } else {
    store->slots[store->backlog.tail].next = store->live.head;
    store->backlog.tail = store->live.tail;
  }
  store->live.head = store->live.tail = NONE;
}

struct millrace_store millrace_ram_store_port(struct millrace_ram_store *store) {
  struct millrace_store port = {store, put, take, read_frame, correct, release, divide};
  return port;
}

struct millrace_sink millrace_ram_store_sink(struct millrace_ram_store *store) {
  struct millrace_sink sink = {put, store};
  return sink;
}
