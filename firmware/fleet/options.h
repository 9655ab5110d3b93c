/* Command line of the fleet. */
#ifndef FLEET_OPTIONS_H
#define FLEET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "firmware.h"

struct options {
  char host[256];
  char port[6];
  bool tls;
  const char *ca_file;      /* NULL: the system's authorities */
  const char *username;     /* NULL: each device's ID */
  const char *password;     /* NULL: none */
  const char *certificates; /* a directory; NULL: none */
  uint32_t devices;
  const char *prefix;
  struct firmware firmware;
  double sample_hz;
  double rate;
  uint32_t flush_ms;
  uint32_t turn_ms;
  uint16_t max_payload;
  double duration_s;
  double drain_s;
  bool sparse;
  bool json;
  uint16_t in_flight;
  uint16_t queue;
  bool csv;
  bool round;
  bool print;
  bool list_devices;
  bool stats_json;
  const char *boot_file;
  const char *ledger;
  bool ledger_frames;
  uint32_t seed;
};

/* Reads the command line. Prints what is wrong and exits with 2, or the help and exits with 0. */
void options_parse(int argc, char **argv, struct options *options);

#endif
