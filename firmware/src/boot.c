#include "millrace/boot.h"

#include <stdbool.h>
#include <string.h>

#include "millrace/crc32.h"

/* An entry: the number, its CRC-32, padding to the write unit. */
#define ENTRY 8

static uint32_t load_32(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void save_32(uint8_t *bytes, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint16_t entry_size(const struct millrace_flash *flash) {
  return flash->write_unit > ENTRY ? flash->write_unit : ENTRY;
}

static bool is_erased(const uint8_t *bytes, uint16_t length) {
  for (unsigned i = 0; i < length; i++)
    if (bytes[i] != 0xFF) return false;
  return true;
}

/* What the scan has found. */
struct newest {
  int32_t boot; /* -1: none */
  uint32_t sector;
  uint32_t next; /* offset in the sector of the first entry that is erased, as are all after it */
};

static enum millrace_status scan(const struct millrace_flash *flash, struct newest *newest) {
  uint16_t size = entry_size(flash);
  uint8_t entry[MILLRACE_WRITE_UNIT_MAX];

  newest->boot = -1;
  newest->sector = flash->sector_count - 1;
  newest->next = flash->sector_size;
  for (uint32_t sector = 0; sector < flash->sector_count; sector++) {
    uint32_t used = 0;
    bool is_newest = false;
    for (uint32_t at = 0; at + size <= flash->sector_size; at += size) {
      if (flash->read(flash->context, sector * flash->sector_size + at, entry, size) != 0) return MILLRACE_BROKEN;
      if (is_erased(entry, size)) continue;
      used = at + size;
      /* A cut while a number was written leaves an entry whose CRC does not match: nobody has used that number. */
      if (load_32(entry + 4) != millrace_crc32(0, entry, 4) || load_32(entry) > INT32_MAX) continue;
      if ((int32_t)load_32(entry) <= newest->boot) continue;
      newest->boot = (int32_t)load_32(entry);
      newest->sector = sector;
      is_newest = true;
    }
    if (is_newest) newest->next = used;
  }
  return MILLRACE_OK;
}

/* Programs the number and reads it back. */
static enum millrace_status append(const struct millrace_flash *flash, uint32_t offset, int32_t boot) {
  uint8_t entry[MILLRACE_WRITE_UNIT_MAX];
  uint8_t back[MILLRACE_WRITE_UNIT_MAX];
  uint16_t size = entry_size(flash);

  memset(entry, 0xFF, sizeof entry);
  save_32(entry, (uint32_t)boot);
  save_32(entry + 4, millrace_crc32(0, entry, 4));
  if (flash->program(flash->context, offset, entry, size) != 0) return MILLRACE_BROKEN;
  if (flash->read(flash->context, offset, back, size) != 0) return MILLRACE_BROKEN;
  return memcmp(entry, back, size) == 0 ? MILLRACE_OK : MILLRACE_BROKEN;
}

enum millrace_status millrace_boot_next(const struct millrace_flash *flash, uint32_t random, int32_t *boot) {
  struct newest newest;
  enum millrace_status status;

  if (flash->sector_count < 2 || flash->write_unit < 4 || flash->write_unit > MILLRACE_WRITE_UNIT_MAX)
    return MILLRACE_BAD_ARGUMENT;
  status = scan(flash, &newest);
  if (status != MILLRACE_OK) return status;
  if (newest.boot == INT32_MAX) return MILLRACE_EXHAUSTED;
  *boot = newest.boot < 0 ? (int32_t)(random >> 2) : newest.boot + 1;
  if (newest.next + entry_size(flash) > flash->sector_size) {
    newest.sector = (newest.sector + 1) % flash->sector_count;
    newest.next = 0;
    if (flash->erase(flash->context, newest.sector) != 0) return MILLRACE_BROKEN;
  }
  return append(flash, newest.sector * flash->sector_size + newest.next, *boot);
}
