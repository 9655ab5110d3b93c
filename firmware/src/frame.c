#include "millrace/frame.h"

#include <string.h>

#include "millrace/varint.h"

/* Bytes that base takes as a time of day: 7 hold 2^48 milliseconds, beyond the year 6000. */
#define TIME_OF_DAY_LENGTH 7

/* The largest start: header, three ints, the clock, a long. */
#define LARGEST_START (MILLRACE_FRAME_HEADER + 5 + 5 + 1 + 10 + 5)

uint16_t millrace_frame_least_payload(const struct millrace_schema *schema) {
  /* dt of one sample is count, 0, end; each metric is count, five bytes, end. */
  return (uint16_t)(LARGEST_START + 3 + 7 * schema->metric_count);
}

enum millrace_status millrace_frame_init(struct millrace_frame *frame, const struct millrace_schema *schema,
                                         uint8_t *rows, uint16_t max_payload) {
  if (schema->metric_count == 0 || schema->metric_count > MILLRACE_MAX_METRICS) return MILLRACE_BAD_ARGUMENT;
  if (max_payload < millrace_frame_least_payload(schema) || max_payload > 4096) return MILLRACE_BAD_ARGUMENT;
  memset(frame, 0, sizeof *frame);
  frame->schema = schema;
  frame->rows = rows;
  frame->max_payload = max_payload;
  return MILLRACE_OK;
}

/* An int, zigzagged as a long, is the same number. */
static uint8_t *write_number(uint8_t *out, int64_t value) {
  return out + millrace_varint_write(out, millrace_zigzag_long(value));
}

/* Writes everything before the arrays; the bytes written. */
static uint16_t write_start(const struct millrace_frame *frame, uint8_t *out) {
  const struct millrace_frame_start *start = &frame->start;
  uint8_t *end = out;
  *end++ = 0xC3;
  *end++ = 0x01;
  memcpy(end, frame->schema->fingerprint, MILLRACE_FINGERPRINT_LENGTH);
  end += MILLRACE_FINGERPRINT_LENGTH;
  end = write_number(end, start->boot);
  end = write_number(end, start->seq);
  *end++ = start->clock == MILLRACE_SYNCED ? 0 : 2;
  end = write_number(end, start->base);
  end = write_number(end, start->dropped);
  return (uint16_t)(end - out);
}

enum millrace_status millrace_frame_open(struct millrace_frame *frame, const struct millrace_frame_start *start) {
  uint8_t bytes[LARGEST_START];
  uint8_t base_length = millrace_varint_length(millrace_zigzag_long(start->base));

  frame->start = *start;
  frame->start_length = write_start(frame, bytes);
  if (start->clock == MILLRACE_UPTIME && base_length < TIME_OF_DAY_LENGTH)
    frame->start_length = (uint16_t)(frame->start_length + TIME_OF_DAY_LENGTH - base_length);
  frame->samples = 0;
  frame->present = 0;
  frame->rows_length = 0;
  frame->body_length = 0;
  frame->last = start->base;
  /* dt's first sample is 0, always. */
  frame->columns[0].length = 0;
  for (unsigned c = 1; c <= frame->schema->metric_count; c++) {
    struct millrace_column *column = &frame->columns[c];
    column->first = MILLRACE_NO_READING;
    column->previous = frame->schema->missing[c - 1];
  }
  return MILLRACE_OK;
}

/* dt and each metric that is present are count, items, 0; the other metrics are a single 0. */
static uint32_t sealed_length(const struct millrace_frame *frame, unsigned samples, unsigned present, uint32_t body) {
  uint32_t count_length = millrace_varint_length((uint32_t)samples << 1);
  if (samples == 0) return frame->start_length + frame->schema->metric_count + 1u;
  return frame->start_length + body + (present + 1) * (count_length + 1) + frame->schema->metric_count - present;
}

/* What a metric that begins now owes for the samples before: the missing code, then differences of 0. */
static uint16_t late_length(const struct millrace_frame *frame, int32_t missing) {
  if (frame->samples == 0) return 0;
  return (uint16_t)(millrace_varint_length(millrace_zigzag(missing)) + frame->samples - 1);
}

uint16_t millrace_frame_size(const struct millrace_frame *frame) {
  return (uint16_t)sealed_length(frame, frame->samples, frame->present, frame->body_length);
}

enum millrace_status millrace_frame_append(struct millrace_frame *frame, int64_t time_ms, const int32_t *values) {
  const struct millrace_schema *schema = frame->schema;
  uint32_t step[MILLRACE_MAX_METRICS + 1];
  int64_t dt = time_ms - frame->last;
  unsigned present = frame->present;
  uint32_t body = frame->body_length;
  uint8_t *end = frame->rows + frame->rows_length;

  if (dt < 0 || dt > INT32_MAX) return MILLRACE_FULL;
  step[0] = (uint32_t)dt << 1;
  body += millrace_varint_length(step[0]);
  for (unsigned c = 1; c <= schema->metric_count; c++) {
    struct millrace_column *column = &frame->columns[c];
    int32_t value = values[c - 1];
    uint32_t difference = (uint32_t)value;
    if (column->first == MILLRACE_NO_READING) {
      if (value == schema->missing[c - 1]) continue;
      present++;
      /* Not looked at before the metric has a first reading. */
      column->length = late_length(frame, schema->missing[c - 1]);
      body += column->length;
    }
    /* Unsigned arithmetic wraps as the decoder's (prev + diff) | 0 does. */
    if (frame->samples > 0) difference -= (uint32_t)column->previous;
    step[c] = (difference << 1) ^ ((difference & 0x80000000u) != 0 ? UINT32_MAX : 0);
    body += millrace_varint_length(step[c]);
  }
  if (sealed_length(frame, frame->samples + 1u, present, body) > frame->max_payload) return MILLRACE_FULL;

  for (unsigned c = 0; c <= schema->metric_count; c++) {
    struct millrace_column *column = &frame->columns[c];
    uint8_t *item = end;
    if (c > 0) {
      if (column->first == MILLRACE_NO_READING) {
        if (values[c - 1] == schema->missing[c - 1]) continue;
        column->first = frame->samples;
      }
      column->previous = values[c - 1];
    }
    end += millrace_varint_write(end, step[c]);
    column->length = (uint16_t)(column->length + (end - item));
  }
  frame->rows_length = (uint16_t)(end - frame->rows);
  frame->body_length = (uint16_t)body;
  frame->present = (uint16_t)present;
  frame->samples++;
  frame->last = time_ms;
  return MILLRACE_OK;
}

uint16_t millrace_frame_seal(const struct millrace_frame *frame, uint8_t *out) {
  const struct millrace_schema *schema = frame->schema;
  uint8_t *next[MILLRACE_MAX_METRICS + 1]; /* where each column's next item goes */
  uint8_t *end = out + write_start(frame, out);
  const uint8_t *row = frame->rows;

  /* Lay the columns out: every length is known, so one pass over the rows can fill them all. */
  for (unsigned c = 0; c <= schema->metric_count; c++) {
    const struct millrace_column *column = &frame->columns[c];
    if (frame->samples > 0 && column->first != MILLRACE_NO_READING) {
      end = write_number(end, frame->samples);
      next[c] = end;
      if (column->first > 0) {
        next[c] = write_number(end, schema->missing[c - 1]);
        memset(next[c], 0, column->first - 1u);
        next[c] += column->first - 1;
      }
      end += column->length;
    }
    *end++ = 0;
  }
  for (unsigned s = 0; s < frame->samples; s++) {
    for (unsigned c = 0; c <= schema->metric_count; c++) {
      uint8_t *to = next[c];
      if (s < frame->columns[c].first) continue;
      do *to++ = *row;
      while ((*row++ & 0x80) != 0);
      next[c] = to;
    }
  }
  return (uint16_t)(end - out);
}

/* The fields before the arrays, and dt's count. at[i] is where field i begins. OK; CORRUPT. */
static enum millrace_status read_start(const uint8_t *bytes, uint16_t length, int64_t field[6], uint16_t at[6]) {
  uint16_t next = MILLRACE_FRAME_HEADER;

  if (length <= next || bytes[0] != 0xC3 || bytes[1] != 0x01) return MILLRACE_CORRUPT;
  for (unsigned i = 0; i < 6; i++) {
    uint8_t taken = millrace_varint_read(bytes + next, (uint16_t)(length - next), &field[i]);
    /* The encoder writes the clock in one byte, and correcting a frame relies on that. */
    if (taken == 0 || (i == 2 && (taken != 1 || field[i] > MILLRACE_UPTIME))) return MILLRACE_CORRUPT;
    /* Of these only base may be negative, or larger than an int. */
    if (i != 3 && (uint64_t)field[i] > INT32_MAX) return MILLRACE_CORRUPT;
    at[i] = next;
    next = (uint16_t)(next + taken);
  }
  return MILLRACE_OK;
}

enum millrace_status millrace_frame_peek(const uint8_t *bytes, uint16_t length, struct millrace_frame_start *start,
                                         int32_t *samples) {
  int64_t field[6];
  uint16_t at[6];

  if (read_start(bytes, length, field, at) != MILLRACE_OK) return MILLRACE_CORRUPT;
  start->boot = (int32_t)field[0];
  start->seq = (int32_t)field[1];
  start->clock = (enum millrace_clock_state)field[2];
  start->base = field[3];
  start->dropped = (int32_t)field[4];
  *samples = (int32_t)field[5];
  return MILLRACE_OK;
}

uint16_t millrace_frame_correct(uint8_t *bytes, uint16_t length, uint16_t size, int64_t offset) {
  int64_t field[6];
  uint16_t at[6];
  uint64_t base;
  uint16_t grown;

  if (read_start(bytes, length, field, at) != MILLRACE_OK) return 0;
  base = millrace_zigzag_long((int64_t)((uint64_t)field[3] + (uint64_t)offset));
  grown = (uint16_t)(length - (at[4] - at[3]) + millrace_varint_length(base));
  if (grown > size) return 0;
  memmove(bytes + at[4] + (grown - length), bytes + at[4], (size_t)(length - at[4]));
  bytes[at[2]] = MILLRACE_SYNCED;
  (void)millrace_varint_write(bytes + at[3], base);
  return grown;
}
