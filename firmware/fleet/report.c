#define _GNU_SOURCE
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "fleet.h"

#define NANOSECONDS 1000000000

void report_begin(struct report *report, const struct fleet *fleet) {
  report->next_ns = fleet->now_ns + NANOSECONDS;
}

/* Sums over the devices. */
struct sums {
  uint64_t waiting;
  uint64_t in_flight;
  uint64_t resent;
  uint64_t unreported; /* dropped samples that no frame has reported */
  uint64_t connections;
};

static struct sums sum(const struct fleet *fleet) {
  struct sums sums = {0, 0, 0, 0, 0};
  for (uint32_t i = 0; i < fleet->device_count; i++) {
    const struct device *device = fleet->devices[i];
    sums.waiting += device->store.waiting;
    sums.in_flight += device->publisher.in_flight;
    sums.resent += device->publisher.resent;
    sums.unreported += (uint64_t)device->batcher.dropped;
    sums.connections += device->publisher.connections;
  }
  return sums;
}

static void print_line(const struct fleet *fleet) {
  const struct totals *totals = &fleet->shared.totals;
  struct sums sums = sum(fleet);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  printf("{\"t\":%" PRId64 ",\"devices\":%" PRIu32 ",\"connected\":%" PRIu32 ",\"samples\":%" PRIu64
         ",\"readings\":%" PRIu64 ",\"sealed\":%" PRIu64 ",\"published\":%" PRIu64 ",\"acked\":%" PRIu64
         ",\"acked_samples\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"resent\":%" PRIu64 ",\"refused\":%" PRIu64
         ",\"dropped\":%" PRIu64 ",\"queued\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"line_errors\":%" PRIu64 "}\n",
         (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, fleet->device_count, fleet->shared.connected, totals->samples,
         totals->readings, totals->sealed, totals->published, totals->acked, totals->acked_samples, totals->bytes,
         sums.resent, totals->refused, totals->dropped, sums.waiting, sums.in_flight, fleet->csv.errors);
  fflush(stdout);
}

void report_turn(struct report *report, struct fleet *fleet) {
  if (fleet->now_ns < report->next_ns) return;
  report->next_ns += NANOSECONDS;
  if (fleet->shared.ledger.file >= 0 && !ledger_flush(&fleet->shared.ledger)) fleet->shared.ledger_failed = true;
  if (fleet->shared.options->stats_json) print_line(fleet);
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double per(double amount, uint64_t count) { return count == 0 ? 0 : amount / (double)count; }

bool report_end(struct fleet *fleet) {
  const struct totals *totals = &fleet->shared.totals;
  struct sums sums = sum(fleet);
  double seconds = (double)((fleet->loaded_ns == 0 ? fleet->now_ns : fleet->loaded_ns) - fleet->start_ns) / NANOSECONDS;
  double cpu = cpu_seconds();
  const char *unit = fleet->shared.options->json ? "message" : "frame";
  uint64_t open = 0;

  for (struct device *device = fleet->shared.oldest; device != NULL; device = device->newer) open += device->batcher.frame.samples;
  if (fleet->row_waits) open++;
  if (fleet->shared.ledger.file >= 0 && !ledger_flush(&fleet->shared.ledger)) fleet->shared.ledger_failed = true;
  if (fleet->shared.options->stats_json) print_line(fleet);
  fprintf(stderr, "fleet: %" PRIu32 " devices of %s, boot %" PRId32 ", %.1f s of load\n", fleet->device_count,
          fleet->shared.options->firmware.schema->firmware, fleet->shared.boot, seconds);
  fprintf(stderr, "fleet: %" PRIu64 " samples (%.0f/s), %" PRIu64 " readings (%.0f/s)\n", totals->samples,
          (double)totals->samples / seconds, totals->readings, (double)totals->readings / seconds);
  fprintf(stderr, "fleet: %" PRIu64 " %ss (%.0f/s), %.1f samples and %.1f bytes a %s\n", totals->sealed, unit,
          (double)totals->sealed / seconds, per((double)totals->sealed_samples, totals->sealed),
          per((double)totals->bytes, totals->sealed), unit);
  fprintf(stderr, "fleet: %" PRIu64 " acknowledged, %" PRIu64 " not, %" PRIu64 " resent, %" PRIu64 " refused, %" PRIu64
          " connections\n", totals->acked, fleet_unacknowledged(fleet), sums.resent, totals->refused, sums.connections);
  fprintf(stderr, "fleet: %" PRIu64 " samples dropped", totals->dropped);
  /* Nothing in JSON says what was dropped. */
  if (!fleet->shared.options->json) fprintf(stderr, ", of which %" PRIu64 " not yet reported in a frame", sums.unreported);
  fprintf(stderr, "; %.2f s of CPU, %.1f us a %s\n", cpu, per(cpu * 1e6, totals->sealed), unit);
  if (fleet->csv.errors > 0) fprintf(stderr, "fleet: %" PRIu64 " lines not taken\n", fleet->csv.errors);
  if (fleet->shared.options->csv && fleet->csv.rows == 0 && fleet->csv.errors == 0) fprintf(stderr, "fleet: expected lines after the header, got none\n");
  if (open > 0) fprintf(stderr, "fleet: %" PRIu64 " samples were not sealed: the queue was full to the end\n", open);
  if (fleet->shared.ledger_failed) fprintf(stderr, "fleet: --ledger \"%s\": could not be written in full\n", fleet->shared.options->ledger);
  return fleet_unacknowledged(fleet) == 0 && open == 0 && fleet->csv.errors == 0 && !fleet->shared.ledger_failed &&
         (!fleet->shared.options->csv || fleet->csv.rows > 0);
}
