/* Boot counter in a file: incremented and on disk before the first frame of a boot. */
#ifndef MILLRACE_POSIX_BOOT_FILE_H
#define MILLRACE_POSIX_BOOT_FILE_H

#include <stdint.h>

#include "millrace/status.h"

/* Gives the next boot number and keeps it in the file, whose directories are made when missing. A missing file starts at a
 * random number below 2^30, so that a factory reset does not repeat the numbers of before.
 * OK; CORRUPT: the file does not hold a boot number below 2147483647; BROKEN: it cannot be written, see errno. */
enum millrace_status millrace_boot_file_next(const char *path, int32_t *boot);

#endif
