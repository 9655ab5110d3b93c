/* What was sent and acknowledged, one line per frame: the reference for tests and for end-to-end latency. */
#ifndef FLEET_LEDGER_H
#define FLEET_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/* A frame from its sealing to its PUBACK. */
struct frame_record {
  int32_t boot;
  int32_t seq;
  int64_t base_ms;
  int64_t last_ms;
  int64_t published_us; /* first publish, microseconds since 1970; 0: not yet */
  uint16_t samples;
  uint16_t bytes;
};

struct ledger {
  int file; /* -1: none is kept */
  bool frames;
  uint32_t length;
  char buffer[262144];
};

/* Opens the file and writes the header line. `frames`: each line ends with the frame itself, in hexadecimal.
 * False, with errno: it cannot be written. */
bool ledger_open(struct ledger *ledger, const char *path, bool frames);

/* Each false, with errno, when the file cannot be written. `frame` has as many bytes as the record says. */
bool ledger_write(struct ledger *ledger, const char *device, const struct frame_record *record, const uint8_t *frame,
                  int64_t acked_us);
bool ledger_flush(struct ledger *ledger);

#endif
