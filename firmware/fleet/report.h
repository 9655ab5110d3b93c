/* What the fleet says of itself: a JSON line a second, and a summary at the end. */
#ifndef FLEET_REPORT_H
#define FLEET_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

struct report {
  int64_t next_ns; /* of the next line */
};

void report_begin(struct report *report, const struct fleet *fleet);

/* Once a second: writes out the ledger and prints a line. */
void report_turn(struct report *report, struct fleet *fleet);

/* The summary, on standard error. True: everything was taken, sealed and acknowledged, and the ledger is complete. */
bool report_end(struct fleet *fleet);

#endif
