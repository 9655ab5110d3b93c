/* An independent decoder of frames, written from the Avro specification and docs/firmware-frame.md, not from the encoder. */
#ifndef DECODER_H
#define DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "millrace/schema.h"

#define DECODED_SAMPLES_MAX 4096

struct decoded {
  int64_t boot, seq, clock, base, dropped;
  uint32_t samples;
  int64_t time[DECODED_SAMPLES_MAX];
  int32_t value[MILLRACE_MAX_METRICS][DECODED_SAMPLES_MAX];
  bool empty[MILLRACE_MAX_METRICS]; /* the column was an empty array: all values are the missing code */
};

/* False: the bytes are not exactly one frame of this schema. */
bool decode_frame(const uint8_t *bytes, uint32_t length, const struct millrace_schema *schema, struct decoded *out);

#endif
