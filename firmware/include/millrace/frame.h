/* Frame encoder: samples in, one Avro datum in single-object encoding out. No clock, no policy: see batcher.h.
 *
 *   C3 01 | fingerprint (8) | boot | seq | clock | base | dropped | dt[] | metric[] ...
 *
 * Numbers are zigzag variable-length integers. An array is one block (count, items, 0), or just 0 when it is empty; a
 * metric without a reading in the whole frame is an empty array. dt holds milliseconds since the previous sample. A
 * metric's first item is absolute, the others are differences to the one before, in 32-bit two's complement.
 *
 * While a frame is open its differences wait row by row in the caller's buffer; sealing sorts them into columns. So an
 * open frame costs no more memory than a sealed one, and its exact size is known before a sample is taken. */
#ifndef MILLRACE_FRAME_H
#define MILLRACE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/schema.h"
#include "millrace/status.h"

/* Bytes before the datum: the marker C3 01 and the fingerprint. */
#define MILLRACE_FRAME_HEADER (2 + MILLRACE_FINGERPRINT_LENGTH)

enum millrace_clock_state {
  MILLRACE_SYNCED = 0, /* base is milliseconds since 1970-01-01T00:00:00Z */
  MILLRACE_UPTIME = 1  /* base is milliseconds since boot */
};

/* The fields of a frame before its arrays. */
struct millrace_frame_start {
  int32_t boot;
  int32_t seq;
  enum millrace_clock_state clock;
  int64_t base;    /* time of the first sample in milliseconds */
  int32_t dropped; /* samples discarded since the last frame */
};

struct millrace_column {
  int32_t previous; /* newest raw value */
  uint16_t first;   /* sample of the first reading, or MILLRACE_NO_READING */
  uint16_t length;  /* bytes of the items */
};

struct millrace_frame {
  const struct millrace_schema *schema;
  uint8_t *rows;         /* caller's, max_payload bytes: differences of the open frame, row by row */
  uint16_t max_payload;  /* bytes that the sealed frame may have */
  uint16_t rows_length;  /* bytes of rows in use */
  uint16_t start_length; /* bytes of the sealed frame before its arrays */
  uint16_t samples;
  uint16_t present;      /* metrics that have a reading in this frame */
  uint16_t body_length;  /* bytes of all items of all columns */
  struct millrace_frame_start start;
  int64_t last;          /* time of the newest sample */
  struct millrace_column columns[MILLRACE_MAX_METRICS + 1]; /* dt, then the metrics */
};

#define MILLRACE_NO_READING UINT16_MAX

/* Smallest max_payload with which any sample of the schema fits an empty frame. */
uint16_t millrace_frame_least_payload(const struct millrace_schema *schema);

/* Binds an encoder to its schema and the caller's buffer of max_payload bytes.
 * OK; BAD_ARGUMENT when the schema has more metrics than MILLRACE_MAX_METRICS or none, or max_payload is too small for a
 * sample or above 4096. */
enum millrace_status millrace_frame_init(struct millrace_frame *frame, const struct millrace_schema *schema,
                                         uint8_t *rows, uint16_t max_payload);

/* Starts an empty frame. In state UPTIME room is kept so that base can still become a time of day. OK, always. */
enum millrace_status millrace_frame_open(struct millrace_frame *frame, const struct millrace_frame_start *start);

/* Adds a sample: one raw value per metric in the schema's order, the schema's missing code where there is no reading.
 * OK; FULL when it would pass max_payload, or when time_ms is before the newest sample or too far after it for an int:
 * then nothing has changed, and the frame is to be sealed first. */
enum millrace_status millrace_frame_append(struct millrace_frame *frame, int64_t time_ms, const int32_t *values);

/* Bytes that sealing would give now. */
uint16_t millrace_frame_size(const struct millrace_frame *frame);

/* Writes the frame to out, which holds max_payload bytes. The length written; the frame stays as it is until reopened. */
uint16_t millrace_frame_seal(const struct millrace_frame *frame, uint8_t *out);

/* Reads the fields before the arrays, and the number of samples, from a sealed frame.
 * OK; CORRUPT when the bytes are not the beginning of a frame. */
enum millrace_status millrace_frame_peek(const uint8_t *bytes, uint16_t length, struct millrace_frame_start *start,
                                         int32_t *samples);

/* Turns a frame in state UPTIME, in place, into one that is SYNCED: its base plus offset, the difference between time of
 * day and uptime. size is what the memory holds: max_payload, for opening the frame kept room.
 * The new length; 0: the bytes are no frame, or the longer one does not fit, and nothing has changed. */
uint16_t millrace_frame_correct(uint8_t *bytes, uint16_t length, uint16_t size, int64_t offset);

#endif
