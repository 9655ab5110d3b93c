/* Boot counter in flash: frames are numbered within a boot, so a boot number must never come twice. */
#ifndef MILLRACE_BOOT_H
#define MILLRACE_BOOT_H

#include <stdint.h>

#include "millrace/flash.h"
#include "millrace/status.h"

/* Gives the next boot number, once it is safely in flash. The region is two sectors or more, of its own: numbers are
 * appended, and the next sector is erased only when one is full, so that the newest number is always in flash.
 * Flash without any number starts from `random` below 2^30, so that a factory reset does not repeat numbers used before.
 * OK; EXHAUSTED: 2147483647 has been reached; BAD_ARGUMENT: fewer than two sectors, or an impossible write unit; BROKEN. */
enum millrace_status millrace_boot_next(const struct millrace_flash *flash, uint32_t random, int32_t *boot);

#endif
