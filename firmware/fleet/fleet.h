/* The fleet: all devices, their load, and the one loop that runs them. */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "csv.h"
#include "device.h"
#include "device_index.h"
#include "options.h"

struct totals {
  uint64_t samples;  /* made, including those dropped */
  uint64_t readings; /* values in samples that were not dropped */
  uint64_t sealed;
  uint64_t sealed_samples;
  uint64_t published; /* frames handed to a session, resends included */
  uint64_t acked;
  uint64_t acked_samples;
  uint64_t refused; /* PUBACKs that were not good */
  uint64_t bytes;   /* of payload, sealed */
  uint64_t dropped; /* samples */
};

struct fleet {
  const struct options *options;
  struct totals totals;
  struct ledger ledger;
  struct csv csv;
  struct millrace_clock clock;
  struct sockaddr_storage address;
  socklen_t address_length;
  int epoll;
  int32_t boot;
  bool ledger_failed;
  int64_t now_ns;  /* monotonic, at the beginning of the turn */
  uint32_t now_ms; /* the same, as the library's clock */
  struct device **devices;
  uint32_t device_count;
  uint32_t device_capacity;
  struct device_index index; /* of the devices in a file */
  uint32_t started;    /* devices that have begun to connect */
  uint32_t connected;  /* READY now */
  uint32_t connecting;
  uint32_t scan; /* where the next round of timeouts goes on */
  struct device *oldest; /* list of devices with an open frame */
  struct device *newest;
  struct device *dirty; /* devices to poll in this turn */
  uint64_t next_sample; /* number of the next scheduled sample */
  int64_t start_ns;     /* monotonic time of sample 0 */
  int64_t start_wall_ns;
  bool row_waits;       /* a CSV row that its device had no room for */
  struct csv_row row;
};

/* Prepares sockets, clock, ledger and devices. False, after printing why. */
bool fleet_init(struct fleet *fleet, const struct options *options);

/* The device with this ID, made when it is new. NULL: out of memory. */
struct device *fleet_device(struct fleet *fleet, const char *id);

/* Runs to the end of the load, or until `stop`, and drains. True: everything was acknowledged. */
bool fleet_run(struct fleet *fleet, const volatile int *stop);

/* Sealed frames that are not acknowledged yet. */
uint64_t fleet_unacknowledged(const struct fleet *fleet);

#endif
