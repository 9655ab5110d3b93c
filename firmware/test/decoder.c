#include "decoder.h"

#include <string.h>

struct reader {
  const uint8_t *at;
  const uint8_t *end;
  bool failed;
};

static int64_t read_long(struct reader *reader) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (reader->at == reader->end) break;
    uint8_t byte = *reader->at++;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return (value & 1) != 0 ? -(int64_t)(value >> 1) - 1 : (int64_t)(value >> 1);
  }
  reader->failed = true;
  return 0;
}

/* An Avro array, possibly of several blocks. The number of items. */
static uint32_t read_array(struct reader *reader, int64_t *items) {
  uint32_t length = 0;
  for (;;) {
    int64_t count = read_long(reader);
    if (count < 0 || count > DECODED_SAMPLES_MAX - length) reader->failed = true;
    if (reader->failed || count == 0) return length;
    while (count-- > 0) items[length++] = read_long(reader);
  }
}

bool decode_frame(const uint8_t *bytes, uint32_t length, const struct millrace_schema *schema, struct decoded *out) {
  static int64_t items[DECODED_SAMPLES_MAX];
  struct reader reader = {bytes + 10, bytes + length, length < 10};

  if (reader.failed || bytes[0] != 0xC3 || bytes[1] != 0x01 || memcmp(bytes + 2, schema->fingerprint, 8) != 0) return false;
  out->boot = read_long(&reader);
  out->seq = read_long(&reader);
  out->clock = read_long(&reader);
  out->base = read_long(&reader);
  out->dropped = read_long(&reader);
  out->samples = read_array(&reader, items);
  int64_t time = out->base;
  for (uint32_t s = 0; s < out->samples; s++) out->time[s] = time += items[s];
  for (uint8_t m = 0; m < schema->metric_count; m++) {
    uint32_t count = read_array(&reader, items);
    int32_t value = 0;
    if (count != 0 && count != out->samples) return false;
    out->empty[m] = count == 0;
    for (uint32_t s = 0; s < out->samples; s++) {
      value = count == 0 ? schema->missing[m] : (int32_t)(uint32_t)(value + (uint64_t)items[s]);
      out->value[m][s] = value;
    }
  }
  return !reader.failed && reader.at == reader.end;
}
