#include "millrace/flash_store.h"

#include <string.h>

#include "flash_slots.h"

uint32_t millrace_flash_store_bits(const struct millrace_flash *flash, uint16_t max_payload) {
  uint16_t slot_size;
  uint8_t slots;
  if (!slots_measure(flash, max_payload, &slot_size, &slots)) return 0;
  return (flash->sector_count * slots + 7) / 8;
}

static bool is_waiting(const struct millrace_flash_store *store, uint32_t handle) {
  return (store->memory.waiting_bits[handle / 8] >> (handle % 8) & 1) != 0;
}

static void set_waiting(struct millrace_flash_store *store, uint32_t handle, bool waiting) {
  uint8_t bit = (uint8_t)(1u << (handle % 8));
  uint8_t *bits = &store->memory.waiting_bits[handle / 8];
  *bits = waiting ? (uint8_t)(*bits | bit) : (uint8_t)(*bits & ~bit);
}

/* Samples that are lost with the frame in the store's memory: its own, and those it would have reported. */
static int32_t samples_lost(const uint8_t *frame, uint16_t length) {
  struct millrace_frame_start start;
  int32_t samples;
  if (millrace_frame_peek(frame, length, &start, &samples) != MILLRACE_OK) return 0;
  return samples > INT32_MAX - start.dropped ? INT32_MAX : samples + start.dropped;
}

static int32_t add_saturating(int32_t a, int32_t b) { return b > INT32_MAX - a ? INT32_MAX : a + b; }

/* Takes up one sector at boot; committed: slots that ever held a whole frame since it was erased. */
static enum millrace_status scan_sector(struct millrace_flash_store *store, uint32_t index, int32_t *discarded, uint8_t *written) {
  struct millrace_sector *sector = &store->memory.sectors[index];
  enum millrace_status status = slots_read_sector(store, index, &sector->sequence, discarded);

  *written = 0;
  if (status != MILLRACE_OK) {
    sector->sequence = 0;
    return status == MILLRACE_CORRUPT ? MILLRACE_OK : status;
  }
  for (uint8_t slot = 0; slot < store->slots; slot++) {
    enum slot_state state;
    uint16_t length;
    status = slots_scan(store, index, slot, &state, &length);
    if (status != MILLRACE_OK) return status;
    if (state == SLOT_ERASED) continue;
    /* Also a slot after an erased one: whatever is not erased cannot be written. */
    sector->used = (uint8_t)(slot + 1);
    (*written)++;
    if (state != SLOT_WAITING) continue;
    sector->waiting++;
    set_waiting(store, index * store->slots + slot, true);
  }
  return MILLRACE_OK;
}

enum millrace_status millrace_flash_store_open(struct millrace_flash_store *store, const struct millrace_flash *flash,
                                               const struct millrace_flash_memory *memory, int32_t *discarded) {
  *discarded = 0;
  if (flash->sector_count < 2 || flash->write_unit < 4 || flash->write_unit > MILLRACE_WRITE_UNIT_MAX ||
      (flash->write_unit & (flash->write_unit - 1)) != 0)
    return MILLRACE_BAD_ARGUMENT;
  memset(store, 0, sizeof *store);
  store->flash = *flash;
  store->memory = *memory;
  if (!slots_measure(flash, memory->max_payload, &store->slot_size, &store->slots)) return MILLRACE_BAD_ARGUMENT;
  memset(memory->sectors, 0, flash->sector_count * sizeof *memory->sectors);
  memset(memory->waiting_bits, 0, millrace_flash_store_bits(flash, memory->max_payload));

  for (uint32_t index = 0; index < flash->sector_count; index++) {
    int32_t before;
    uint8_t written;
    enum millrace_status status = scan_sector(store, index, &before, &written);
    if (status != MILLRACE_OK) return status;
    if (memory->sectors[index].sequence <= store->newest_sequence) continue;
    store->newest_sequence = memory->sectors[index].sequence;
    store->active = index;
    /* What beginning this sector discarded is reported by the second frame written to it. */
    *discarded = written < 2 ? before : 0;
  }
  store->live_sequence = store->newest_sequence + 1;
  return MILLRACE_OK;
}

/* Samples in the waiting frames of a sector. */
static enum millrace_status count_sector(struct millrace_flash_store *store, uint32_t index, int32_t *lost) {
  *lost = 0;
  for (uint8_t slot = 0; slot < store->slots; slot++) {
    uint16_t length;
    enum millrace_status status;
    if (!is_waiting(store, index * store->slots + slot)) continue;
    status = slots_read(store, index, slot, &length);
    if (status == MILLRACE_BROKEN) return status;
    if (status == MILLRACE_OK) *lost = add_saturating(*lost, samples_lost(store->memory.frame, length));
  }
  return MILLRACE_OK;
}

/* The sector to write next: the longest unused of those with nothing to keep, else of those with nothing taken.
 * False: every sector holds a taken frame. */
static bool choose_sector(const struct millrace_flash_store *store, uint32_t *chosen) {
  const struct millrace_sector *sectors = store->memory.sectors;
  bool found = false;
  *chosen = 0;
  for (uint32_t index = 0; index < store->flash.sector_count; index++) {
    if (sectors[index].taken > 0) continue;
    if (found) {
      bool better = (sectors[index].waiting == 0) != (sectors[*chosen].waiting == 0)
                        ? sectors[index].waiting == 0
                        : sectors[index].sequence < sectors[*chosen].sequence;
      if (!better) continue;
    }
    *chosen = index;
    found = true;
  }
  return found;
}

/* Makes a sector ready to be written. OK; FULL; BROKEN. */
static enum millrace_status next_sector(struct millrace_flash_store *store, int32_t *discarded) {
  struct millrace_sector *sector;
  uint32_t index;
  int32_t lost;

  if (!choose_sector(store, &index)) return MILLRACE_FULL;
  if (count_sector(store, index, &lost) != MILLRACE_OK) return MILLRACE_BROKEN;
  if (slots_begin_sector(store, index, store->newest_sequence + 1, lost) != MILLRACE_OK) return MILLRACE_BROKEN;
  *discarded = add_saturating(*discarded, lost);
  sector = &store->memory.sectors[index];
  for (uint8_t slot = 0; slot < store->slots; slot++) set_waiting(store, index * store->slots + slot, false);
  memset(sector, 0, sizeof *sector);
  sector->sequence = ++store->newest_sequence;
  store->active = index;
  return MILLRACE_OK;
}

static enum millrace_status put(void *context, const uint8_t *frame, uint16_t length, int32_t *discarded) {
  struct millrace_flash_store *store = context;

  *discarded = 0;
  if (length == 0 || length > store->memory.max_payload) return MILLRACE_BAD_ARGUMENT;
  /* A slot that does not read back is passed over; a whole sector of them means that the flash is worn out. */
  for (uint16_t attempt = 0; attempt <= store->slots; attempt++) {
    struct millrace_sector *sector = &store->memory.sectors[store->active];
    enum millrace_status status;
    uint8_t slot;
    if (sector->sequence == 0 || sector->used == store->slots) {
      status = next_sector(store, discarded);
      if (status != MILLRACE_OK) return status;
      sector = &store->memory.sectors[store->active];
    }
    slot = sector->used++;
    status = slots_write(store, store->active, slot, frame, length);
    if (status == MILLRACE_OK) {
      sector->waiting++;
      set_waiting(store, store->active * store->slots + slot, true);
    }
    if (status != MILLRACE_CORRUPT) return status;
  }
  return MILLRACE_BROKEN;
}

/* The oldest waiting frame, of the live ones or of all. */
static bool find_oldest(const struct millrace_flash_store *store, bool live, uint32_t *handle) {
  const struct millrace_sector *sectors = store->memory.sectors;
  uint32_t oldest = UINT32_MAX;
  bool found = false;

  for (uint32_t index = 0; index < store->flash.sector_count; index++) {
    if (sectors[index].waiting == 0 || sectors[index].sequence >= oldest) continue;
    if (live && sectors[index].sequence < store->live_sequence) continue;
    for (uint8_t slot = 0; slot < store->slots; slot++) {
      if (live && sectors[index].sequence == store->live_sequence && slot < store->live_slot) continue;
      if (!is_waiting(store, index * store->slots + slot)) continue;
      oldest = sectors[index].sequence;
      *handle = index * store->slots + slot;
      found = true;
      break;
    }
  }
  return found;
}

static enum millrace_status take(void *context, uint32_t *handle) {
  struct millrace_flash_store *store = context;
  struct millrace_sector *sector;
  if (!find_oldest(store, true, handle) && !find_oldest(store, false, handle)) return MILLRACE_EMPTY;
  sector = &store->memory.sectors[*handle / store->slots];
  set_waiting(store, *handle, false);
  sector->waiting--;
  sector->taken++;
  return MILLRACE_OK;
}

static enum millrace_status read_frame(void *context, uint32_t handle, const uint8_t **frame, uint16_t *length) {
  struct millrace_flash_store *store = context;
  *frame = store->memory.frame;
  return slots_read(store, handle / store->slots, (uint8_t)(handle % store->slots), length);
}

static enum millrace_status correct(void *context, uint32_t handle, int64_t offset) {
  struct millrace_flash_store *store = context;
  return slots_correct(store, handle / store->slots, (uint8_t)(handle % store->slots), offset);
}

static enum millrace_status release(void *context, uint32_t handle) {
  struct millrace_flash_store *store = context;
  store->memory.sectors[handle / store->slots].taken--;
  return slots_release(store, handle / store->slots, (uint8_t)(handle % store->slots));
}

static void divide(void *context) {
  struct millrace_flash_store *store = context;
  store->live_sequence = store->newest_sequence;
  store->live_slot = store->memory.sectors[store->active].used;
}

struct millrace_store millrace_flash_store_port(struct millrace_flash_store *store) {
  struct millrace_store port = {store, put, take, read_frame, correct, release, divide};
  return port;
}

struct millrace_sink millrace_flash_store_sink(struct millrace_flash_store *store) {
  struct millrace_sink sink = {put, store};
  return sink;
}
