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

/* Bytes of a text that is shown. */
#define CSV_SHOWN 80

/* Text of the file on a terminal: nothing in it is a command there. */
static const char *harmless(const char *text, char out[CSV_SHOWN]) {
  size_t length = 0;
  for (; *text != '\0' && length < CSV_SHOWN - 5; text++) {
    uint8_t c = (uint8_t)*text;
    if (c >= ' ' && c < 0x7F) {
      out[length++] = (char)c;
    } else {
      length += (size_t)snprintf(out + length, 5, "\\x%02X", c);
    }
  }
  if (*text != '\0') length += (size_t)snprintf(out + length, 4, "...");
  out[length] = '\0';
  return out;
}

static void report(struct csv *csv, const char *column, const char *text, const char *expected) {
  char shown[CSV_SHOWN];
  csv->errors++;
  if (csv->errors <= ERRORS_PRINTED)
    fprintf(stderr, "fleet: line %llu, %s: expected %s, got \"%s\"\n", (unsigned long long)csv->line, column, expected, harmless(text, shown));
  if (csv->errors == ERRORS_PRINTED + 1) fprintf(stderr, "fleet: more lines cannot be taken: they are counted only\n");
}

static void report_value(struct csv *csv, uint32_t column, const struct millrace_metric *metric, const char *text, const char *problem) {
  char where[128], holds[256], expected[512];
  snprintf(where, sizeof where, "column %u (%s)", column + 1, metric->standard);
  raw_value_holds(metric, holds, sizeof holds);
  snprintf(expected, sizeof expected, "what %s holds: %s%s", csv->firmware->schema->firmware, holds, problem);
  report(csv, where, text, expected);
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
      report(csv, "length", "more", "at most 65534 characters");
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
  if (line != NULL && strlen(line) >= sizeof csv->header) {
    fprintf(stderr, "fleet: line 1: expected at most %zu characters\n", sizeof csv->header - 1);
    return false;
  }
  if (line != NULL) strcpy(csv->header, line);
  csv->columns = line == NULL ? 0 : split(line, fields);
  if (csv->columns < 3) {
    fprintf(stderr, "fleet: standard input: expected a header line of time, device and at least one quantity\n");
    return false;
  }
  for (uint32_t c = 2; c < csv->columns; c++) {
    char shown[CSV_SHOWN];
    int metric = firmware_metric(firmware, fields[c]);
    if (metric < 0) {
      fprintf(stderr, "fleet: line 1, column %u: %s measures", c + 1, firmware->schema->firmware);
      for (uint8_t m = 0; m < firmware->schema->metric_count; m++)
        fprintf(stderr, "%s %s", m == 0 ? "" : ",", firmware->metrics[m].standard);
      fprintf(stderr, "; got \"%s\"\n", harmless(fields[c], shown));
      return false;
    }
    for (uint32_t before = 2; before < c; before++) {
      if (csv->metric_of[before] != metric) continue;
      fprintf(stderr, "fleet: line 1, column %u: \"%s\" is column %u already\n", c + 1, harmless(fields[c], shown), before + 1);
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
      report_value(csv, column, metric, text, ", in at most 18 digits");
      return false;
    case RAW_VALUE_INEXACT:
      report_value(csv, column, metric, text, metric->code_count > 0 ? "" : " (--round takes the nearest)");
      return false;
    case RAW_VALUE_OUT_OF_RANGE:
      report_value(csv, column, metric, text, ", except the one that stands for no reading");
      return false;
  }
  return false;
}

static bool parse_row(struct csv *csv, char *line, struct csv_row *row) {
  char *fields[CSV_COLUMNS_MAX];
  struct millrace_identity identity;
  uint32_t count = split(line, fields);

  if (count != csv->columns) {
    char expected[64], got[32];
    snprintf(expected, sizeof expected, "%u as in the header", csv->columns);
    snprintf(got, sizeof got, "%u", count);
    report(csv, "columns", got, expected);
    return false;
  }
  if (!time_text_parse(fields[0], &row->time_ms)) {
    report(csv, "column 1 (time)", fields[0], "ISO 8601 to the millisecond, or milliseconds since 1970, of the years 1 to 9999");
    return false;
  }
  if (millrace_identity_init(&identity, fields[1], csv->firmware->schema->firmware, 0) != MILLRACE_OK) {
    report(csv, "column 2 (device)", fields[1], "1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit");
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

void csv_print(const struct csv *csv, const struct csv_row *row) {
  char value[64];
  printf("%lld,%s", (long long)row->time_ms, row->device);
  for (uint32_t c = 2; c < csv->columns; c++) {
    int8_t metric = csv->metric_of[c];
    *value = '\0';
    if (row->values[metric] != csv->firmware->schema->missing[metric])
      raw_value_text(row->values[metric], &csv->firmware->metrics[metric], value, sizeof value);
    printf(",%s", value);
  }
  putchar('\n');
}
