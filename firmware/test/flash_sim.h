/* NOR flash in memory that watches how it is used, wears, and loses power in the middle of a write. */
#ifndef FLASH_SIM_H
#define FLASH_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/flash.h"

#define FLASH_SIM_SIZE (64 * 1024)
#define FLASH_SIM_SECTORS 64

struct flash_sim {
  uint8_t bytes[FLASH_SIM_SIZE];
  uint8_t programmed[FLASH_SIM_SIZE / 4]; /* per 4 bytes: times programmed since erased */
  uint32_t erased[FLASH_SIM_SECTORS];     /* times each sector was erased */
  uint32_t sector_size;
  uint32_t sector_count;
  uint8_t write_unit;
  uint32_t writes;      /* units programmed and sectors erased so far */
  uint32_t cut_at;      /* the write in which power fails; 0: never */
  bool dead;            /* no power */
  bool misused;         /* a unit was programmed twice, or not as a whole */
  uint32_t stuck_offset; /* bytes here cannot be programmed; UINT32_MAX: none */
};

/* Erased flash with power. */
void flash_sim_init(struct flash_sim *sim, uint32_t sector_size, uint32_t sector_count, uint8_t write_unit);

/* Power comes back; the next cut is `writes` writes away, 0: never. */
void flash_sim_power(struct flash_sim *sim, uint32_t writes);

/* A region of it: sectors first to first + count - 1. */
struct flash_region {
  struct flash_sim *sim;
  uint32_t first;
};
struct millrace_flash flash_sim_region(struct flash_region *region, uint32_t count);

#endif
