/* Lines of comma-separated values on standard input: time, device, then one column per quantity. */
#ifndef FLEET_CSV_H
#define FLEET_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

#define CSV_COLUMNS_MAX 64

struct csv {
  const struct firmware *firmware;
  bool round;
  int input;
  bool ended;
  uint64_t line;   /* number of the newest line */
  uint64_t rows;   /* samples given */
  uint64_t errors; /* lines not taken */
  uint32_t columns;
  int8_t metric_of[CSV_COLUMNS_MAX]; /* metric in each column after the first two */
  char header[4096];                 /* the header line, as it was read */
  uint32_t start;                    /* unread bytes of the buffer */
  uint32_t end;
  char buffer[65536];
};

struct csv_row {
  int64_t time_ms;
  char device[65];
  int32_t values[MILLRACE_MAX_METRICS];
  uint8_t readings;
};

enum csv_outcome { CSV_ROW, CSV_AGAIN, CSV_END };

/* Reads the header line. False, after printing why: a column is no quantity of the firmware. */
bool csv_open(struct csv *csv, int input, const struct firmware *firmware, bool round);

/* The next good line; lines that cannot be taken are counted, and the first ones printed with what was expected.
 * CSV_AGAIN: the input is a pipe and has nothing now. */
enum csv_outcome csv_next(struct csv *csv, struct csv_row *row);

/* A row as a line of the same file: milliseconds since 1970, the device, and what the firmware holds of each quantity. */
void csv_print(const struct csv *csv, const struct csv_row *row);

#endif
