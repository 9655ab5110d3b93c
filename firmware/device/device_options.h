/* Command line of millrace-device. */
#ifndef DEVICE_OPTIONS_H
#define DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "firmware.h"
#include "mosquitto_session.h"

struct device_options {
  char host[256];
  struct millrace_broker broker;
  const char *device;
  const char *password;
  const struct firmware *firmware;
  const char *thermal; /* a file with thousandths of a degree; NULL: lines on standard input */
  uint32_t interval_ms;
  uint32_t flush_ms;
  const char *store;
  uint32_t store_sectors;
  bool trust_clock;
};

/* Reads the command line. Prints what is wrong and exits with 2, or the help and exits with 0. */
void device_options_parse(int argc, char **argv, struct device_options *options);

#endif
