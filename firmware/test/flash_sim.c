#include "flash_sim.h"

#include <string.h>

#include "check.h"

void flash_sim_init(struct flash_sim *sim, uint32_t sector_size, uint32_t sector_count, uint8_t write_unit) {
  memset(sim, 0, sizeof *sim);
  memset(sim->bytes, 0xFF, sizeof sim->bytes);
  sim->sector_size = sector_size;
  sim->sector_count = sector_count;
  sim->write_unit = write_unit;
  sim->stuck_offset = UINT32_MAX;
}

void flash_sim_power(struct flash_sim *sim, uint32_t writes) {
  sim->dead = false;
  sim->cut_at = writes == 0 ? 0 : sim->writes + writes;
}

/* Counts a write. True: power fails in it. */
static bool power_fails(struct flash_sim *sim) {
  sim->writes++;
  if (sim->cut_at == 0 || sim->writes < sim->cut_at) return false;
  sim->dead = true;
  return true;
}

static int sim_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  struct flash_region *region = context;
  if (region->sim->dead) return -1;
  memcpy(bytes, region->sim->bytes + region->first * region->sim->sector_size + offset, length);
  return 0;
}

static void program_unit(struct flash_sim *sim, uint32_t offset, const uint8_t *bytes, bool cut) {
  bool zeros = true;
  for (uint8_t i = 0; i < sim->write_unit; i++) zeros = zeros && bytes[i] == 0;
  /* Once, and once more to zeros. */
  if (++sim->programmed[offset / 4] > (zeros ? 2 : 1)) sim->misused = true;
  for (uint8_t i = 0; i < sim->write_unit; i++) {
    uint8_t cleared = (uint8_t)~bytes[i];
    if (cut) cleared &= (uint8_t)random_number();
    if (offset + i != sim->stuck_offset) sim->bytes[offset + i] &= (uint8_t)~cleared;
  }
}

static int sim_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  struct flash_region *region = context;
  struct flash_sim *sim = region->sim;
  if (sim->dead) return -1;
  offset += region->first * sim->sector_size;
  if (offset % sim->write_unit != 0 || length % sim->write_unit != 0) sim->misused = true;
  for (uint16_t at = 0; at < length; at = (uint16_t)(at + sim->write_unit)) {
    bool cut = power_fails(sim);
    program_unit(sim, offset + at, bytes + at, cut);
    if (cut) return -1;
  }
  return 0;
}

static int sim_erase(void *context, uint32_t sector) {
  struct flash_region *region = context;
  struct flash_sim *sim = region->sim;
  uint32_t offset = (region->first + sector) * sim->sector_size;
  if (sim->dead) return -1;
  sim->erased[region->first + sector]++;
  if (power_fails(sim)) {
    /* Somewhere between before and erased: each bit may have risen. */
    for (uint32_t i = 0; i < sim->sector_size; i++) sim->bytes[offset + i] |= (uint8_t)random_number();
    return -1;
  }
  memset(sim->bytes + offset, 0xFF, sim->sector_size);
  memset(sim->programmed + offset / 4, 0, sim->sector_size / 4);
  return 0;
}

struct millrace_flash flash_sim_region(struct flash_region *region, uint32_t count) {
  struct millrace_flash flash = {region, region->sim->sector_size, count, region->sim->write_unit,
                                 sim_read, sim_program, sim_erase};
  return flash;
}
