/* Flash memory as the library needs it: a port. NOR semantics: an erased byte is 0xFF, programming only clears bits, a
 * sector is erased as a whole. A power cut may leave the unit that was being written with any of its bits changed. */
#ifndef MILLRACE_FLASH_H
#define MILLRACE_FLASH_H

#include <stdint.h>

/* Largest write_unit that the library takes. */
#define MILLRACE_WRITE_UNIT_MAX 32

struct millrace_flash {
  void *context;
  uint32_t sector_size;  /* bytes erased at once */
  uint32_t sector_count; /* sectors of this region; offsets below begin at its first byte */
  uint8_t write_unit;    /* bytes programmed at once, a power of two from 4: a unit is programmed once between erasures,
                            but for one more time to all zeros */
  /* Each 0, or < 0: failed. program gets offsets and lengths that are multiples of write_unit. */
  int (*read)(void *context, uint32_t offset, uint8_t *bytes, uint16_t length);
  int (*program)(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length);
  int (*erase)(void *context, uint32_t sector);
};

#endif
