/* The fleet: all devices, their load, and the one loop that runs them. */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "csv.h"
#include "device.h"
#include "device_index.h"
#include "options.h"
#include "fleet_state.h"

enum phase { CONNECTING, LOADING, DRAINING };

struct fleet {
  struct fleet_state shared;
  struct csv csv;
  int64_t now_ns; /* monotonic, at the beginning of the turn */
  struct device **devices;
  uint32_t device_count;
  uint32_t device_capacity;
  struct device_index index; /* of the devices in a file */
  uint32_t started;    /* devices that have begun to connect */
  uint32_t scan; /* where the next round of timeouts goes on */
  enum phase phase;
  bool limited; /* the drain ends at its time, whatever is not acknowledged */
  int64_t begun_ns;
  int64_t scanned_ns;
  uint64_t next_sample; /* number of the next scheduled sample */
  int64_t start_ns;     /* monotonic time of sample 0 */
  int64_t start_wall_ns;
  int64_t loaded_ns; /* monotonic end of the load; 0: not yet */
  bool row_waits; /* a CSV row that its device had no room for */
  struct csv_row row;
};

/* Prepares sockets, clock, ledger and devices. False, after printing why. */
bool fleet_init(struct fleet *fleet, const struct options *options);

/* The device with this ID, made when it is new. NULL: out of memory. */
struct device *fleet_device(struct fleet *fleet, const char *id);

/* Does what is due and sleeps until there is more. False: the load has ended, or `stop` is above 0, and all is drained or
 * will not be. */
bool fleet_turn(struct fleet *fleet, const volatile int *stop);

/* Says farewell to the broker for every device. */
void fleet_stop(struct fleet *fleet);

/* Sealed frames that are not acknowledged yet. */
uint64_t fleet_unacknowledged(const struct fleet *fleet);

#endif
