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

/* Writes everything before the arrays; the bytes written. */
static uint16_t write_start(const struct millrace_frame *frame, uint8_t *out) {
  const struct millrace_frame_start *start = &frame->start;
  uint8_t *end = out;
  *end++ = 0xC3;
  *end++ = 0x01;
  memcpy(end, frame->schema->fingerprint, MILLRACE_FINGERPRINT_LENGTH);
  end += MILLRACE_FINGERPRINT_LENGTH;
  end += millrace_varint_write(end, millrace_zigzag(start->boot));
  end += millrace_varint_write(end, millrace_zigzag(start->seq));
  *end++ = start->clock == MILLRACE_SYNCED ? 0 : 2;
  end += millrace_varint_write(end, millrace_zigzag_long(start->base));
  end += millrace_varint_write(end, millrace_zigzag(start->dropped));
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
  frame->column_length[0] = 0;
  for (unsigned m = 0; m < frame->schema->metric_count; m++) {
    frame->previous[m] = frame->schema->missing[m];
    frame->first[m] = MILLRACE_NO_READING;
    frame->column_length[m + 1] = 0;
  }
  return MILLRACE_OK;
}

/* dt and each metric that is present are count, items, 0; the other metrics are a single 0. */
static uint16_t sealed_length(const struct millrace_frame *frame, uint16_t samples, uint16_t present, uint32_t body) {
  uint8_t count_length = millrace_varint_length(millrace_zigzag(samples));
  if (samples == 0) return (uint16_t)(frame->start_length + frame->schema->metric_count + 1);
  return (uint16_t)(frame->start_length + body + (uint32_t)(present + 1) * (count_length + 1u) +
                    (uint32_t)(frame->schema->metric_count - present));
}

uint16_t millrace_frame_size(const struct millrace_frame *frame) {
  return sealed_length(frame, frame->samples, frame->present, frame->body_length);
}

enum millrace_status millrace_frame_append(struct millrace_frame *frame, int64_t time_ms, const int32_t *values) {
  const struct millrace_schema *schema = frame->schema;
  uint32_t step[MILLRACE_MAX_METRICS];
  int64_t dt = time_ms - frame->last;
  uint16_t present = frame->present;
  uint32_t body = frame->body_length;

  if (dt < 0 || dt > INT32_MAX) return MILLRACE_FULL;
  uint32_t dt_code = millrace_zigzag((int32_t)dt);
  body += millrace_varint_length(dt_code);
  for (unsigned m = 0; m < schema->metric_count; m++) {
    bool seen = frame->first[m] != MILLRACE_NO_READING;
    if (!seen && values[m] == schema->missing[m]) continue;
    uint32_t difference = (uint32_t)values[m];
    if (frame->samples > 0) difference -= (uint32_t)frame->previous[m];
    /* Unsigned arithmetic wraps as the decoder's (prev + diff) | 0 does. */
    step[m] = (difference << 1) ^ ((difference & 0x80000000u) != 0 ? UINT32_MAX : 0);
    body += millrace_varint_length(step[m]);
    if (!seen) {
      present++;
      /* The samples before this first reading: the missing code, then differences of 0. */
      if (frame->samples > 0)
        body += millrace_varint_length(millrace_zigzag(schema->missing[m])) + (uint32_t)(frame->samples - 1);
    }
  }
  if (sealed_length(frame, (uint16_t)(frame->samples + 1), present, body) > frame->max_payload) return MILLRACE_FULL;

  uint8_t *row = frame->rows + frame->rows_length;
  uint8_t *end = row;
  end += millrace_varint_write(end, dt_code);
  frame->column_length[0] = (uint16_t)(frame->column_length[0] + (end - row));
  for (unsigned m = 0; m < schema->metric_count; m++) {
    if (frame->first[m] == MILLRACE_NO_READING) {
      if (values[m] == schema->missing[m]) continue;
      frame->first[m] = frame->samples;
      if (frame->samples > 0)
        frame->column_length[m + 1] =
            (uint16_t)(millrace_varint_length(millrace_zigzag(schema->missing[m])) + frame->samples - 1);
    }
    uint8_t length = millrace_varint_write(end, step[m]);
    end += length;
    frame->column_length[m + 1] = (uint16_t)(frame->column_length[m + 1] + length);
    frame->previous[m] = values[m];
  }
  frame->rows_length = (uint16_t)(end - frame->rows);
  frame->body_length = (uint16_t)body;
  frame->present = present;
  frame->samples++;
  frame->last = time_ms;
  return MILLRACE_OK;
}

uint16_t millrace_frame_seal(const struct millrace_frame *frame, uint8_t *out) {
  const struct millrace_schema *schema = frame->schema;
  uint8_t *columns[MILLRACE_MAX_METRICS + 1];
  uint8_t *end = out + write_start(frame, out);

  /* Lay the columns out: every length is known, so one pass over the rows can fill them all. */
  for (unsigned c = 0; c <= schema->metric_count; c++) {
    uint16_t first = c == 0 ? 0 : frame->first[c - 1];
    if (frame->samples > 0 && first != MILLRACE_NO_READING) {
      end += millrace_varint_write(end, millrace_zigzag(frame->samples));
      columns[c] = end;
      if (first > 0) {
        columns[c] += millrace_varint_write(columns[c], millrace_zigzag(schema->missing[c - 1]));
        memset(columns[c], 0, (size_t)first - 1);
        columns[c] += first - 1;
      }
      end += frame->column_length[c];
    }
    *end++ = 0;
  }
  const uint8_t *row = frame->rows;
  for (unsigned s = 0; s < frame->samples; s++) {
    for (unsigned c = 0; c <= schema->metric_count; c++) {
      if (c > 0 && s < frame->first[c - 1]) continue;
      uint8_t *to = columns[c];
      while ((*row & 0x80) != 0) *to++ = *row++;
      *to++ = *row++;
      columns[c] = to;
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
    if (taken == 0 || (i == 2 && taken != 1)) return MILLRACE_CORRUPT;
    at[i] = next;
    next = (uint16_t)(next + taken);
    if (i != 3 && (field[i] < 0 || field[i] > INT32_MAX)) return MILLRACE_CORRUPT;
  }
  return field[2] > MILLRACE_UPTIME ? MILLRACE_CORRUPT : MILLRACE_OK;
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
