#include "millrace/boot.h"

#include <string.h>

#include "check.h"
#include "flash_sim.h"
#include "millrace/crc32.h"
#include "suites.h"

#define SECTORS 4
static struct flash_sim sim;
static struct flash_region region = {&sim, 0};
static struct millrace_flash flash;

static void begin(uint8_t write_unit) {
  flash_sim_init(&sim, 256, SECTORS, write_unit);
  flash = flash_sim_region(&region, SECTORS);
}

static void boot_numbers_in_flash_rise_over_resets_and_sectors(void) {
  static const uint8_t units[] = {4, 16};
  for (unsigned u = 0; u < 2; u++) {
    int32_t boot = -1, before;
    begin(units[u]);
    CHECK_EQUAL(millrace_boot_next(&flash, UINT32_MAX, &before), MILLRACE_OK);
    CHECK_EQUAL(before, INT32_MAX / 2);
    for (int i = 0; i < 500; i++, before = boot) {
      CHECK_EQUAL(millrace_boot_next(&flash, random_number(), &boot), MILLRACE_OK);
      CHECK_EQUAL(boot, before + 1);
    }
    CHECK(!sim.misused);
  }
}

static void boot_numbers_that_cannot_be_are_refused(void) {
  int32_t boot;
  uint8_t last[8] = {0xFF, 0xFF, 0xFF, 0x7F};
  begin(4);
  struct millrace_flash wrong = flash;
  wrong.sector_count = 1;
  CHECK_EQUAL(millrace_boot_next(&wrong, 0, &boot), MILLRACE_BAD_ARGUMENT);
  wrong = flash;
  wrong.write_unit = 2;
  CHECK_EQUAL(millrace_boot_next(&wrong, 0, &boot), MILLRACE_BAD_ARGUMENT);
  wrong.write_unit = 64;
  CHECK_EQUAL(millrace_boot_next(&wrong, 0, &boot), MILLRACE_BAD_ARGUMENT);
  uint32_t crc = millrace_crc32(0, last, 4);
  for (int i = 0; i < 4; i++) last[4 + i] = (uint8_t)(crc >> (8 * i));
  CHECK_EQUAL(flash.program(flash.context, 0, last, 8), 0);
  CHECK_EQUAL(millrace_boot_next(&flash, 0, &boot), MILLRACE_EXHAUSTED);
  last[3] = 0xFF; /* 4294967295 */
  crc = millrace_crc32(0, last, 4);
  for (int i = 0; i < 4; i++) last[4 + i] = (uint8_t)(crc >> (8 * i));
  begin(4);
  flash.program(flash.context, 0, last, 8);
  CHECK_EQUAL(millrace_boot_next(&flash, 40, &boot), MILLRACE_OK);
  CHECK_EQUAL(boot, 10);
  sim.stuck_offset = 8;
  CHECK_EQUAL(millrace_boot_next(&flash, 0, &boot), MILLRACE_BROKEN);
  sim.dead = true;
  CHECK_EQUAL(millrace_boot_next(&flash, 0, &boot), MILLRACE_BROKEN);
}

static void the_crc_is_that_of_zlib(void) {
  CHECK_EQUAL(millrace_crc32(0, (const uint8_t *)"123456789", 9), 0xCBF43926);
  CHECK_EQUAL(millrace_crc32(millrace_crc32(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5), 0xCBF43926);
}

void boot_tests(void) {
  run("boot numbers in flash rise over resets and sectors", boot_numbers_in_flash_rise_over_resets_and_sectors);
  run("boot numbers that cannot be are refused", boot_numbers_that_cannot_be_are_refused);
  run("the CRC is that of zlib", the_crc_is_that_of_zlib);
}
