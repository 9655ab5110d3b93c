/* Times in text to milliseconds since 1970, and back. */
#ifndef MILLRACE_POSIX_TIME_TEXT_H
#define MILLRACE_POSIX_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Takes ISO 8601 (2021-06-19T00:04:58.250Z, with a space for the T, with +02:00, without seconds; UTC without a zone) and
 * whole milliseconds since 1970, of the years 1 to 9999. False: neither, or finer than a millisecond. */
bool time_text_parse(const char *text, int64_t *time_ms);

#define TIME_TEXT_LENGTH 24

/* Writes 2021-06-19T00:04:58.250Z, without a NUL at the end. The time is of the years 1 to 9999. */
void time_text_write(int64_t time_ms, char out[TIME_TEXT_LENGTH]);

#endif
