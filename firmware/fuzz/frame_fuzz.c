/* Frames read back from memory: peeking and correcting arbitrary bytes stays inside them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "millrace/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct millrace_frame_start before, after;
  int32_t samples;
  if (size < 9 || size > 4096) return 0;
  uint16_t length = (uint16_t)(size - 8);
  int64_t offset;
  memcpy(&offset, data, sizeof offset);
  /* Exactly as large as the result may be, so that the sanitizer sees the first byte beyond. */
  uint16_t capacity = (uint16_t)(length + (data[0] & 15));
  uint8_t *bytes = malloc(capacity);
  memcpy(bytes, data + 8, length);
  if (millrace_frame_peek(bytes, length, &before, &samples) == MILLRACE_OK) {
    if (before.boot < 0 || before.seq < 0 || before.dropped < 0 || samples < 0) abort();
    uint16_t corrected = millrace_frame_correct(bytes, length, capacity, offset);
    if (corrected > capacity) abort();
    if (corrected > 0) {
      if (millrace_frame_peek(bytes, corrected, &after, &samples) != MILLRACE_OK) abort();
      if (after.clock != MILLRACE_SYNCED || after.base != (int64_t)((uint64_t)before.base + (uint64_t)offset)) abort();
      if (after.boot != before.boot || after.seq != before.seq || after.dropped != before.dropped) abort();
    }
  }
  free(bytes);
  return 0;
}
