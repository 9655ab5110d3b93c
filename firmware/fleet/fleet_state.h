/* What all devices of a fleet share: the options, the broker, the clock, and what they count. */
#ifndef FLEET_STATE_H
#define FLEET_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ledger.h"
#include "millrace/clock.h"
#include "openssl_stream.h"
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

struct device;

struct fleet_state {
  const struct options *options;
  struct totals totals;
  struct ledger ledger;
  bool ledger_failed;
  struct millrace_clock clock;
  uint32_t now_ms; /* monotonic, at the beginning of the turn */
  struct sockaddr_storage address;
  socklen_t address_length;
  struct openssl_client tls; /* with mqtts */
  bool tls_failed;           /* and that was said */
  int epoll;
  int32_t boot;
  uint32_t connected; /* READY now */
  uint32_t connecting;
  struct device *oldest; /* list of devices with an open frame */
  struct device *newest;
  struct device *dirty; /* devices to poll in this turn */
};

#endif
