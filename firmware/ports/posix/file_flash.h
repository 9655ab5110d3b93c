/* A file in place of flash: what a Linux device keeps frames and its boot number in. Each write is on disk when it returns. */
#ifndef MILLRACE_POSIX_FILE_FLASH_H
#define MILLRACE_POSIX_FILE_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/flash.h"

#define FILE_FLASH_SECTOR 4096

struct file_flash {
  int file;
  uint32_t first_sector;
  bool failed; /* a write did not reach the disk */
};

/* Opens the file, made and filled with 0xFF when it is missing or too short. False, with errno;
 * EWOULDBLOCK: another program has it open. */
bool file_flash_open(struct file_flash *flash, const char *path, uint32_t sectors);

/* A region of it. `region` keeps the place and must outlive the port. */
struct millrace_flash file_flash_region(struct file_flash *region, const struct file_flash *flash, uint32_t first,
                                        uint32_t count);

#endif
