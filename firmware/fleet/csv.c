#include "csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "millrace/identity.h"
#include "raw_value.h"
#include "time_text.h"

/* Bad lines are printed up to this number, then only counted. */
#define ERRORS_PRINTED 10

static void report(struct csv *csv, const char *column, const char *text, const char *expected) {
  csv->errors++;
  if (csv->errors <= ERRORS_PRINTED)
    fprintf(stderr, "fleet: line %llu: %s \"%s\": expected %s\n", (unsigned long long)csv->line, column, text, expected);
  if (csv->errors == ERRORS_PRINTED) fprintf(stderr, "fleet: further lines are counted only\n");
}

/* The next line without its end, in place. NULL: none now; ended says whether for ever. */
static char *next_line(struct csv *csv) {
  for (;;) {
    char *line = csv->buffer + csv->start;
    char *end = memchr(line, '\n', csv->end - csv->start);
    ssize_t length;
    if (end == NULL && csv->ended && csv->start < csv->end) end = csv->buffer + csv->end;
    if (end != NULL) {
      csv->start = (uint32_t)(end - csv->buffer) + (end < csv->buffer + csv->end ? 1 : 0);
      if (end > line && end[-1] == '\r') end--;
      *end = '\0';
      csv->line++;
      return line;
    }
    if (csv->ended) return NULL;
    memmove(csv->buffer, line, csv->end - csv->start);
    csv->end -= csv->start;
    csv->start = 0;
    if (csv->end >= sizeof csv->buffer - 1) {
      /* No line end in all of it: the rest of the line will be refused as well. */
      csv->line++;
      report(csv, "line", "(too long)", "at most 65534 characters");
      csv->end = 0;
    }
    /* The last byte stays free for the end of an unfinished last line. */
    length = read(csv->input, csv->buffer + csv->end, sizeof csv->buffer - 1 - csv->end);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return NULL;
    if (length < 0) {
      perror("fleet: reading standard input");
      csv->errors++;
    }
    if (length <= 0) {
      csv->ended = true;
    } else {
      csv->end += (uint32_t)length;
    }
  }
}

/* Splits a line in place; a field in double quotes loses them. The number of fields. */
static uint32_t split(char *line, char **fields) {
  uint32_t count = 0;
  while (count < CSV_COLUMNS_MAX) {
    char *comma = strchr(line, ',');
    size_t length;
    if (comma != NULL) *comma = '\0';
    length = strlen(line);
    if (length >= 2 && line[0] == '"' && line[length - 1] == '"') {
      line[length - 1] = '\0';
      line++;
    }
    fields[count++] = line;
    if (comma == NULL) break;
    line = comma + 1;
  }
  return count;
}

bool csv_open(struct csv *csv, int input, const struct firmware *firmware, bool round) {
  char *fields[CSV_COLUMNS_MAX];
  char *line;

  memset(csv, 0, sizeof *csv);
  csv->firmware = firmware;
  csv->round = round;
  csv->input = input;
  while ((line = next_line(csv)) == NULL && !csv->ended) usleep(1000);
  csv->columns = line == NULL ? 0 : split(line, fields);
  if (csv->columns < 3) {
    fprintf(stderr, "fleet: standard input: expected a header line of time, device and at least one quantity\n");
    return false;
  }
  for (uint32_t c = 2; c < csv->columns; c++) {
    int metric = firmware_metric(firmware, fields[c]);
    if (metric < 0) {
      fprintf(stderr, "fleet: column \"%s\": %s measures", fields[c], firmware->schema->firmware);
      for (uint8_t m = 0; m < firmware->schema->metric_count; m++)
        fprintf(stderr, "%s %s", m == 0 ? "" : ",", firmware->metrics[m].standard);
      fputc('\n', stderr);
      return false;
    }
    csv->metric_of[c] = (int8_t)metric;
  }
  return true;
}

static bool take_value(struct csv *csv, uint32_t column, const char *text, struct csv_row *row) {
  const struct millrace_metric *metric = &csv->firmware->metrics[csv->metric_of[column]];
  if (*text == '\0') return true;
  switch (raw_value_parse(text, metric, csv->round, &row->values[csv->metric_of[column]])) {
    case RAW_VALUE_OK:
      row->readings++;
      return true;
    case RAW_VALUE_NOT_A_NUMBER:
      report(csv, metric->standard, text, "a decimal number of at most 18 digits");
      return false;
    case RAW_VALUE_INEXACT:
      report(csv, metric->standard, text,
             metric->code_count > 0 ? "a value that the firmware has a code for"
                                    : "a value that the firmware can hold exactly (or --round)");
      return false;
    case RAW_VALUE_OUT_OF_RANGE:
      report(csv, metric->standard, text, "a value in the firmware's range");
      return false;
  }
  return false;
}

static bool parse_row(struct csv *csv, char *line, struct csv_row *row) {
  char *fields[CSV_COLUMNS_MAX];
  struct millrace_identity identity;
  uint32_t count = split(line, fields);

  if (count != csv->columns) {
    report(csv, "line", fields[0], "as many columns as the header has");
    return false;
  }
  if (!time_text_parse(fields[0], &row->time_ms)) {
    report(csv, "time", fields[0], "ISO 8601 to the millisecond, or milliseconds since 1970");
    return false;
  }
  if (millrace_identity_init(&identity, fields[1], csv->firmware->schema->firmware, 0) != MILLRACE_OK) {
    report(csv, "device", fields[1], "1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit");
    return false;
  }
  strcpy(row->device, fields[1]);
  row->readings = 0;
  memcpy(row->values, csv->firmware->schema->missing, csv->firmware->schema->metric_count * sizeof row->values[0]);
  for (uint32_t c = 2; c < count; c++)
    if (!take_value(csv, c, fields[c], row)) return false;
  return true;
}

enum csv_outcome csv_next(struct csv *csv, struct csv_row *row) {
  char *line;
  while ((line = next_line(csv)) != NULL) {
    if (*line == '\0') continue;
    if (!parse_row(csv, line, row)) continue;
    csv->rows++;
    return CSV_ROW;
  }
  return csv->ended ? CSV_END : CSV_AGAIN;
}
