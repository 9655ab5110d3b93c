#include "flash_slots.h"

#include <string.h>

#include "millrace/crc32.h"

/* "MRS1", as read from the first byte on. */
#define MAGIC UINT32_C(0x3153524D)

/* Bytes before padding to the write unit. */
#define SECTOR_HEADER 16
#define SLOT_HEAD 8
#define CORRECTION 12

static uint32_t load_32(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void save_32(uint8_t *bytes, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint16_t padded(const struct millrace_flash *flash, uint16_t length) {
  return (uint16_t)((length + flash->write_unit - 1) / flash->write_unit * flash->write_unit);
}

/* Where the parts of a slot begin. */
static uint16_t commit_at(const struct millrace_flash *flash) { return padded(flash, SLOT_HEAD); }
static uint16_t release_at(const struct millrace_flash *flash) { return (uint16_t)(commit_at(flash) + flash->write_unit); }
static uint16_t correction_at(const struct millrace_flash *flash) { return (uint16_t)(release_at(flash) + flash->write_unit); }
static uint16_t frame_at(const struct millrace_flash *flash) { return (uint16_t)(correction_at(flash) + padded(flash, CORRECTION)); }

bool slots_measure(const struct millrace_flash *flash, uint16_t max_payload, uint16_t *slot_size, uint8_t *slots) {
  uint32_t size = (uint32_t)frame_at(flash) + padded(flash, max_payload);
  uint32_t count;
  if (flash->sector_size < padded(flash, SECTOR_HEADER) + size) return false;
  count = (flash->sector_size - padded(flash, SECTOR_HEADER)) / size;
  *slot_size = (uint16_t)size;
  *slots = count > UINT8_MAX ? UINT8_MAX : (uint8_t)count;
  return true;
}

static uint32_t slot_offset(const struct millrace_flash_store *store, uint32_t sector, uint8_t slot) {
  return sector * store->flash.sector_size + padded(&store->flash, SECTOR_HEADER) + (uint32_t)slot * store->slot_size;
}

static enum millrace_status get(const struct millrace_flash_store *store, uint32_t offset, uint8_t *bytes, uint16_t length) {
  return store->flash.read(store->flash.context, offset, bytes, length) == 0 ? MILLRACE_OK : MILLRACE_BROKEN;
}

/* Programs bytes padded with 0xFF, which leaves the padding erased. */
static enum millrace_status set(const struct millrace_flash_store *store, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  const struct millrace_flash *flash = &store->flash;
  uint8_t last[MILLRACE_WRITE_UNIT_MAX];
  uint16_t whole = (uint16_t)(length / flash->write_unit * flash->write_unit);

  if (whole > 0 && flash->program(flash->context, offset, bytes, whole) != 0) return MILLRACE_BROKEN;
  if (whole == length) return MILLRACE_OK;
  memset(last, 0xFF, sizeof last);
  memcpy(last, bytes + whole, (size_t)(length - whole));
  return flash->program(flash->context, offset + whole, last, flash->write_unit) == 0 ? MILLRACE_OK : MILLRACE_BROKEN;
}

static enum millrace_status set_zeros(const struct millrace_flash_store *store, uint32_t offset) {
  static const uint8_t zeros[MILLRACE_WRITE_UNIT_MAX];
  return set(store, offset, zeros, store->flash.write_unit);
}

static bool is_erased(const uint8_t *bytes, uint16_t length) {
  for (unsigned i = 0; i < length; i++)
    if (bytes[i] != 0xFF) return false;
  return true;
}

enum millrace_status slots_begin_sector(struct millrace_flash_store *store, uint32_t sector, uint32_t sequence,
                                        int32_t discarded) {
  uint8_t header[SECTOR_HEADER];
  uint32_t offset = sector * store->flash.sector_size;

  /* The old header first: a cut while erasing could otherwise take a release mark and leave its frame. */
  if (store->memory.sectors[sector].sequence != 0 && set_zeros(store, offset) != MILLRACE_OK) return MILLRACE_BROKEN;
  if (store->flash.erase(store->flash.context, sector) != 0) return MILLRACE_BROKEN;
  save_32(header, MAGIC);
  save_32(header + 4, sequence);
  save_32(header + 8, (uint32_t)discarded);
  save_32(header + 12, millrace_crc32(0, header, 12));
  return set(store, offset, header, sizeof header);
}

enum millrace_status slots_read_sector(struct millrace_flash_store *store, uint32_t sector, uint32_t *sequence,
                                       int32_t *discarded) {
  uint8_t header[SECTOR_HEADER];
  if (get(store, sector * store->flash.sector_size, header, sizeof header) != MILLRACE_OK) return MILLRACE_BROKEN;
  *sequence = load_32(header + 4);
  *discarded = (int32_t)(load_32(header + 8) & INT32_MAX);
  if (load_32(header) != MAGIC || load_32(header + 12) != millrace_crc32(0, header, 12)) return MILLRACE_CORRUPT;
  return *sequence == 0 ? MILLRACE_CORRUPT : MILLRACE_OK;
}

static uint32_t frame_crc(const uint8_t *head, const uint8_t *frame, uint16_t length) {
  return millrace_crc32(millrace_crc32(0, head, 4), frame, length);
}

/* Reads the frame that the head describes into memory. OK; CORRUPT; BROKEN. */
static enum millrace_status read_frame(struct millrace_flash_store *store, uint32_t offset, const uint8_t *head, uint16_t *length) {
  uint32_t written = load_32(head);
  if (written == 0 || written > store->memory.max_payload) return MILLRACE_CORRUPT;
  *length = (uint16_t)written;
  if (get(store, offset + frame_at(&store->flash), store->memory.frame, *length) != MILLRACE_OK) return MILLRACE_BROKEN;
  return load_32(head + 4) == frame_crc(head, store->memory.frame, *length) ? MILLRACE_OK : MILLRACE_CORRUPT;
}

/* Whether the whole slot is erased, looked at through the frame memory piece by piece. */
static enum millrace_status slot_erased(struct millrace_flash_store *store, uint32_t offset, bool *erased) {
  uint16_t at = 0;
  *erased = true;
  while (at < store->slot_size && *erased) {
    uint16_t left = (uint16_t)(store->slot_size - at);
    uint16_t piece = left < store->memory.max_payload ? left : store->memory.max_payload;
    if (get(store, offset + at, store->memory.frame, piece) != MILLRACE_OK) return MILLRACE_BROKEN;
    *erased = is_erased(store->memory.frame, piece);
    at = (uint16_t)(at + piece);
  }
  return MILLRACE_OK;
}

enum millrace_status slots_scan(struct millrace_flash_store *store, uint32_t sector, uint8_t slot,
                                enum slot_state *state, uint16_t *length) {
  uint8_t marks[MILLRACE_WRITE_UNIT_MAX * 4];
  uint32_t offset = slot_offset(store, sector, slot);
  uint16_t commit = commit_at(&store->flash);
  uint16_t release = release_at(&store->flash);
  enum millrace_status status;
  bool erased;

  if (get(store, offset, marks, correction_at(&store->flash)) != MILLRACE_OK) return MILLRACE_BROKEN;
  *state = SLOT_SPENT;
  if (is_erased(marks, release)) {
    status = slot_erased(store, offset, &erased);
    if (erased) *state = SLOT_ERASED;
    return status;
  }
  if (is_erased(marks + commit, store->flash.write_unit)) return MILLRACE_OK;
  if (!is_erased(marks + release, store->flash.write_unit)) return MILLRACE_OK;
  status = read_frame(store, offset, marks, length);
  if (status == MILLRACE_OK) *state = SLOT_WAITING;
  return status == MILLRACE_BROKEN ? status : MILLRACE_OK;
}

enum millrace_status slots_write(struct millrace_flash_store *store, uint32_t sector, uint8_t slot,
                                 const uint8_t *frame, uint16_t length) {
  uint8_t head[SLOT_HEAD];
  uint8_t back[SLOT_HEAD];
  uint32_t offset = slot_offset(store, sector, slot);
  enum millrace_status status;

  save_32(head, length);
  save_32(head + 4, frame_crc(head, frame, length));
  if (set(store, offset, head, sizeof head) != MILLRACE_OK) return MILLRACE_BROKEN;
  if (set(store, offset + frame_at(&store->flash), frame, length) != MILLRACE_OK) return MILLRACE_BROKEN;
  if (get(store, offset, back, sizeof back) != MILLRACE_OK) return MILLRACE_BROKEN;
  status = memcmp(head, back, sizeof head) == 0 ? read_frame(store, offset, back, &length) : MILLRACE_CORRUPT;
  if (status != MILLRACE_OK) return status;
  return set_zeros(store, offset + commit_at(&store->flash));
}

enum millrace_status slots_read(struct millrace_flash_store *store, uint32_t sector, uint8_t slot, uint16_t *length) {
  uint8_t head[SLOT_HEAD];
  uint8_t correction[CORRECTION];
  uint32_t offset = slot_offset(store, sector, slot);
  enum millrace_status status;

  if (get(store, offset, head, sizeof head) != MILLRACE_OK) return MILLRACE_BROKEN;
  status = read_frame(store, offset, head, length);
  if (status != MILLRACE_OK) return status;
  if (get(store, offset + correction_at(&store->flash), correction, sizeof correction) != MILLRACE_OK) return MILLRACE_BROKEN;
  if (load_32(correction + 8) == millrace_crc32(0, correction, 8)) {
    uint64_t moved = load_32(correction) | (uint64_t)load_32(correction + 4) << 32;
    *length = millrace_frame_correct(store->memory.frame, *length, store->memory.max_payload, (int64_t)moved);
  }
  return *length > 0 ? MILLRACE_OK : MILLRACE_CORRUPT;
}

enum millrace_status slots_correct(struct millrace_flash_store *store, uint32_t sector, uint8_t slot, int64_t offset) {
  uint8_t correction[CORRECTION];
  save_32(correction, (uint32_t)offset);
  save_32(correction + 4, (uint32_t)((uint64_t)offset >> 32));
  save_32(correction + 8, millrace_crc32(0, correction, 8));
  return set(store, slot_offset(store, sector, slot) + correction_at(&store->flash), correction, sizeof correction);
}

enum millrace_status slots_release(struct millrace_flash_store *store, uint32_t sector, uint8_t slot) {
  return set_zeros(store, slot_offset(store, sector, slot) + release_at(&store->flash));
}
