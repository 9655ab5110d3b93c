#define _GNU_SOURCE
#include "file_flash.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_flash_open(struct file_flash *flash, const char *path, uint32_t sectors) {
  uint8_t erased[FILE_FLASH_SECTOR];
  struct stat status;
  flash->first_sector = 0;
  flash->failed = false;
  flash->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (flash->file < 0 || fstat(flash->file, &status) != 0) return false;
  /* Two programs that write one ring would destroy each other's frames. The lock ends with the process. */
  if (flock(flash->file, LOCK_EX | LOCK_NB) != 0) return false;
  memset(erased, 0xFF, sizeof erased);
  for (off_t at = status.st_size / FILE_FLASH_SECTOR * FILE_FLASH_SECTOR; at < (off_t)sectors * FILE_FLASH_SECTOR; at += FILE_FLASH_SECTOR)
    if (pwrite(flash->file, erased, sizeof erased, at) != (ssize_t)sizeof erased) return false;
  return fsync(flash->file) == 0;
}

static off_t place(const struct file_flash *region, uint32_t offset) {
  return (off_t)region->first_sector * FILE_FLASH_SECTOR + offset;
}

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  struct file_flash *region = context;
  return pread(region->file, bytes, length, place(region, offset)) == length ? 0 : -1;
}

static int write_through(struct file_flash *region, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  if (pwrite(region->file, bytes, length, place(region, offset)) == length && fdatasync(region->file) == 0) return 0;
  region->failed = true;
  return -1;
}

static int flash_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  return write_through(context, offset, bytes, length);
}

static int flash_erase(void *context, uint32_t sector) {
  uint8_t erased[FILE_FLASH_SECTOR];
  memset(erased, 0xFF, sizeof erased);
  return write_through(context, sector * FILE_FLASH_SECTOR, erased, sizeof erased);
}

struct millrace_flash file_flash_region(struct file_flash *region, const struct file_flash *flash, uint32_t first, uint32_t count) {
  *region = *flash;
  region->first_sector = first;
  struct millrace_flash port = {region, FILE_FLASH_SECTOR, count, 4, flash_read, flash_program, flash_erase};
  return port;
}
