#define _GNU_SOURCE
#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "boot_file.h"

#define NANOSECONDS 1000000000

/* Connection attempts at once: Mosquitto listens with a backlog of 100. */
#define CONNECTING_MAX 64

/* Every device's timeouts are looked at this often. */
#define SCAN_NS 500000000

/* Sampling begins when all are connected, or after this long. */
#define CONNECT_NS 60000000000

static int64_t clock_ns(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static uint32_t now_ms(void *context) { return ((struct fleet_state *)context)->now_ms; }

static void read_clock(struct fleet *fleet) {
  fleet->now_ns = clock_ns(CLOCK_MONOTONIC);
  fleet->shared.now_ms = (uint32_t)(fleet->now_ns / 1000000);
}

static bool resolve(struct fleet *fleet) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  int error = getaddrinfo(fleet->shared.options->host, fleet->shared.options->port, &hints, &found);
  if (error != 0) {
    fprintf(stderr, "fleet: --url: cannot resolve \"%s\": %s\n", fleet->shared.options->host, gai_strerror(error));
    return false;
  }
  memcpy(&fleet->shared.address, found->ai_addr, found->ai_addrlen);
  fleet->shared.address_length = found->ai_addrlen;
  freeaddrinfo(found);
  return true;
}

static bool allow_sockets(uint32_t devices) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= devices + 32u) return true;
  limit.rlim_cur = devices + 32u;
  if (limit.rlim_max < limit.rlim_cur) limit.rlim_max = limit.rlim_cur;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
  fprintf(stderr, "fleet: --devices \"%u\": this process may not open so many sockets (see ulimit -Hn)\n", devices);
  return false;
}

static bool next_boot(struct fleet *fleet) {
  char standard[256];
  const char *path = fleet->shared.options->boot_file;
  if (path == NULL) {
    snprintf(standard, sizeof standard, ".local/fleet/%s.boot", fleet->shared.options->prefix);
    path = standard;
  }
  switch (millrace_boot_file_next(path, &fleet->shared.boot)) {
    case MILLRACE_OK:
      return true;
    case MILLRACE_CORRUPT:
      fprintf(stderr, "fleet: boot file \"%s\": expected a whole number below 2147483647\n", path);
      return false;
    default:
      fprintf(stderr, "fleet: boot file \"%s\": %s\n", path, strerror(errno));
      return false;
  }
}

struct device *fleet_device(struct fleet *fleet, const char *id) {
  struct device *device = device_index_find(&fleet->index, id);
  if (device != NULL) return device;
  if (fleet->device_count == fleet->device_capacity) {
    uint32_t capacity = fleet->device_capacity == 0 ? 64 : fleet->device_capacity * 2;
    struct device **devices = realloc(fleet->devices, capacity * sizeof *devices);
    if (devices == NULL || !allow_sockets(capacity)) return NULL;
    fleet->devices = devices;
    fleet->device_capacity = capacity;
  }
  device = device_create(&fleet->shared, id, fleet->device_count);
  if (device == NULL || !device_index_add(&fleet->index, device)) return NULL;
  fleet->devices[fleet->device_count++] = device;
  return device;
}

bool fleet_init(struct fleet *fleet, const struct options *options) {
  fleet->shared.options = options;
  fleet->shared.epoll = epoll_create1(EPOLL_CLOEXEC);
  fleet->limited = options->drain_s > 0;
  read_clock(fleet);
  fleet->begun_ns = fleet->scanned_ns = fleet->now_ns;
  millrace_clock_init(&fleet->shared.clock, now_ms, &fleet->shared);
  if (options->csv && !csv_open(&fleet->csv, STDIN_FILENO, &options->firmware, options->round)) return false;
  if (options->tls && !openssl_client_init(&fleet->shared.tls, options->host, options->ca_file)) {
    fprintf(stderr, "fleet: TLS: %s\n", fleet->shared.tls.failure);
    return false;
  }
  if (!resolve(fleet) || !next_boot(fleet)) return false;
  if (!ledger_open(&fleet->shared.ledger, options->ledger, options->ledger_frames)) {
    fprintf(stderr, "fleet: --ledger \"%s\": %s\n", options->ledger, strerror(errno));
    return false;
  }
  if (options->csv) return fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) == 0;
  if (!allow_sockets(options->devices)) return false;
  fleet->devices = calloc(options->devices, sizeof *fleet->devices);
  for (uint32_t i = 0; fleet->devices != NULL && i < options->devices; i++) {
    char id[MILLRACE_DEVICE_ID_MAX + 1];
    snprintf(id, sizeof id, "%s-%04u", options->prefix, i + 1);
    fleet->devices[i] = device_create(&fleet->shared, id, i);
    if (fleet->devices[i] == NULL) break;
    fleet->device_count++;
  }
  if (fleet->device_count == options->devices) return true;
  fprintf(stderr, "fleet: --devices \"%u\": out of memory\n", options->devices);
  return false;
}

uint64_t fleet_unacknowledged(const struct fleet *fleet) { return fleet->shared.totals.sealed - fleet->shared.totals.acked; }

static void connect_more(struct fleet *fleet) {
  while (fleet->started < fleet->device_count && fleet->shared.connecting < CONNECTING_MAX) {
    struct device *device = fleet->devices[fleet->started++];
    millrace_publisher_start(&device->publisher, fleet->shared.now_ms, 0);
    device_poll(device);
  }
}

/* Timeouts, pings and reconnections: each device in turn, all of them every SCAN_NS. */
static void scan(struct fleet *fleet, int64_t elapsed_ns) {
  uint64_t share = (uint64_t)fleet->started * (uint64_t)elapsed_ns / SCAN_NS + 1;
  for (uint64_t i = 0; i < share && i < fleet->started; i++) {
    struct device *device = fleet->devices[fleet->scan++ % fleet->started];
    if (device->publisher.state == MILLRACE_PUBLISHER_WAITING && fleet->shared.connecting >= CONNECTING_MAX) continue;
    device_poll(device);
  }
}

static void poll_dirty(struct fleet *fleet) {
  while (fleet->shared.dirty != NULL) {
    struct device *device = fleet->shared.dirty;
    fleet->shared.dirty = device->next_dirty;
    device->dirty = false;
    device_poll(device);
  }
}

/* Seals frames that are old enough. A full queue keeps its frame open, at the head, until there is room. */
static void flush_due(struct fleet *fleet) {
  struct device *device = fleet->shared.oldest;
  while (device != NULL && fleet->shared.now_ms - device->batcher.opened_ms >= fleet->shared.options->flush_ms) {
    struct device *newer = device->newer;
    (void)device_flush(device);
    device = newer;
  }
}

static int64_t sample_offset_ns(const struct fleet *fleet, uint64_t sample) {
  /* Sample s is that of device s mod n; the devices' phases divide the period evenly. */
  double period = NANOSECONDS / fleet->shared.options->sample_hz;
  uint64_t round = sample / fleet->device_count;
  uint64_t device = sample % fleet->device_count;
  return (int64_t)((double)round * period + (double)device * period / fleet->device_count);
}

/* Makes every sample that is due, with the time it was due at. False: the load has ended. */
static bool sample_due(struct fleet *fleet) {
  int64_t duration_ns = (int64_t)(fleet->shared.options->duration_s * NANOSECONDS);
  for (;;) {
    int64_t offset = sample_offset_ns(fleet, fleet->next_sample);
    if (duration_ns > 0 && offset >= duration_ns) return false;
    if (fleet->start_ns + offset > fleet->now_ns) return true;
    device_sample(fleet->devices[fleet->next_sample++ % fleet->device_count],
                  (fleet->start_wall_ns + offset) / 1000000);
  }
}

/* Takes rows until a device has no room. False: the input has ended, or there is no memory. */
static bool feed(struct fleet *fleet) {
  for (int rows = 0; rows < 4096; rows++) {
    if (!fleet->row_waits) {
      enum csv_outcome outcome = csv_next(&fleet->csv, &fleet->row);
      if (outcome == CSV_END) return false;
      if (outcome == CSV_AGAIN) return true;
      fleet->shared.totals.samples++;
      fleet->shared.totals.readings += fleet->row.readings;
    }
    struct device *device = fleet_device(fleet, fleet->row.device);
    if (device == NULL) {
      fprintf(stderr, "fleet: out of memory\n");
      return false;
    }
    fleet->row_waits = device_offer(device, fleet->row.time_ms, fleet->row.values) != MILLRACE_OK;
    if (fleet->row_waits) return true;
  }
  return true;
}

static void wait_for_events(struct fleet *fleet, int timeout_ms) {
  struct epoll_event events[512];
  int count;
  do {
    count = epoll_wait(fleet->shared.epoll, events, 512, timeout_ms);
    timeout_ms = 0;
    for (int i = 0; i < count; i++) {
      struct device *device = events[i].data.ptr;
      socket_stream_report(&device->stream, events[i].events);
      device_poll(device);
    }
  } while (count == 512);
}

/* Sleeps until there is a turn's worth to do: a few hundred wake-ups a second instead of one for each PUBACK. */
static void wait_turn(struct fleet *fleet, bool sampling) {
  int64_t turn_ns = (int64_t)fleet->shared.options->turn_ms * 1000000;
  int64_t next = fleet->now_ns + 100000000;
  if (sampling) next = fleet->start_ns + sample_offset_ns(fleet, fleet->next_sample);
  if (fleet->shared.options->csv || fleet->started < fleet->device_count || fleet->shared.connecting > 0) {
    wait_for_events(fleet, 1);
    return;
  }
  if (next - fleet->now_ns > 2 * turn_ns) {
    int64_t wait = next - fleet->now_ns < 100000000 ? next - fleet->now_ns : 100000000;
    wait_for_events(fleet, (int)(wait / 1000000));
    return;
  }
  int64_t wake = fleet->now_ns + turn_ns;
  struct timespec until = {wake / NANOSECONDS, wake % NANOSECONDS};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  wait_for_events(fleet, 0);
}

static bool all_connected(const struct fleet *fleet) {
  return fleet->shared.connected == fleet->device_count && fleet->started == fleet->device_count;
}

static bool ready_to_sample(const struct fleet *fleet) {
  return fleet->shared.options->csv || all_connected(fleet) || fleet->now_ns - fleet->begun_ns > CONNECT_NS;
}

/* Seals what is open. True: nothing is left to wait for, or no time to do so. */
static bool drained(struct fleet *fleet, int stop) {
  const struct options *options = fleet->shared.options;
  double drain_s = options->drain_s > 0 ? options->drain_s : 10;
  while (fleet->shared.oldest != NULL && device_flush(fleet->shared.oldest) == MILLRACE_OK) continue;
  if (fleet->shared.oldest == NULL && fleet_unacknowledged(fleet) == 0) return true;
  return stop > 1 || (fleet->limited && (double)(fleet->now_ns - fleet->loaded_ns) > drain_s * NANOSECONDS);
}

bool fleet_turn(struct fleet *fleet, const volatile int *stop) {
  const struct options *options = fleet->shared.options;

  read_clock(fleet);
  if (fleet->phase == CONNECTING && ready_to_sample(fleet)) {
    fleet->phase = LOADING;
    fleet->start_ns = fleet->now_ns;
    fleet->start_wall_ns = clock_ns(CLOCK_REALTIME);
  }
  connect_more(fleet);
  if (!options->csv) flush_due(fleet);
  if (fleet->phase == LOADING && !(options->csv ? feed(fleet) : sample_due(fleet))) fleet->phase = DRAINING;
  if (*stop > 0 && fleet->phase != DRAINING) {
    fleet->phase = DRAINING;
    fleet->limited = true;
  }
  if (fleet->phase == DRAINING) {
    if (fleet->loaded_ns == 0) fleet->loaded_ns = fleet->now_ns;
    if (drained(fleet, *stop)) return false;
  }
  poll_dirty(fleet);
  scan(fleet, fleet->now_ns - fleet->scanned_ns);
  fleet->scanned_ns = fleet->now_ns;
  wait_turn(fleet, fleet->phase == LOADING && !options->csv);
  return true;
}

void fleet_stop(struct fleet *fleet) {
  for (uint32_t i = 0; i < fleet->device_count; i++) device_stop(fleet->devices[i]);
}
