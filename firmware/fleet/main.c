#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "report.h"

static volatile int stop_requests;

static void request_stop(int signal_number) {
  (void)signal_number;
  stop_requests = stop_requests + 1;
}

/* Distinct device IDs of a file, in order of appearance. The exit status. */
static int list_csv_devices(const struct options *options) {
  static struct csv csv;
  struct csv_row row;
  char(*ids)[sizeof row.device] = NULL;
  size_t count = 0;
  enum csv_outcome outcome;

  if (!csv_open(&csv, STDIN_FILENO, &options->firmware, true)) return 2;
  while ((outcome = csv_next(&csv, &row)) != CSV_END) {
    size_t known = count;
    if (outcome == CSV_AGAIN) continue;
    while (known-- > 0 && strcmp(ids[known], row.device) != 0) continue;
    if (known != SIZE_MAX) continue;
    ids = realloc(ids, (count + 1) * sizeof *ids);
    if (ids == NULL) return 1;
    strcpy(ids[count++], row.device);
    puts(row.device);
  }
  free(ids);
  return csv.errors == 0 ? 0 : 1;
}

/* The file as the firmware holds it. The exit status. */
static int print_csv(const struct options *options) {
  static struct csv csv;
  struct csv_row row;
  enum csv_outcome outcome;

  if (!csv_open(&csv, STDIN_FILENO, &options->firmware, options->round)) return 2;
  puts(csv.header);
  while ((outcome = csv_next(&csv, &row)) != CSV_END)
    if (outcome == CSV_ROW) csv_print(&csv, &row);
  if (fflush(stdout) != 0) {
    perror("fleet: standard output");
    return 1;
  }
  if (csv.rows == 0 && csv.errors == 0) fprintf(stderr, "fleet: expected lines after the header, got none\n");
  if (csv.errors > 0)
    fprintf(stderr, "fleet: %llu of %llu lines cannot be taken\n", (unsigned long long)csv.errors, (unsigned long long)(csv.errors + csv.rows));
  return csv.errors == 0 && csv.rows > 0 ? 0 : 1;
}

static int list_devices(const struct options *options) {
  if (options->csv) return list_csv_devices(options);
  for (uint32_t i = 0; i < options->devices; i++) printf("%s-%04u\n", options->prefix, i + 1);
  return 0;
}

int main(int argc, char **argv) {
  static struct fleet fleet;
  struct options options;
  struct report report;
  struct sigaction action = {.sa_handler = request_stop};

  options_parse(argc, argv, &options);
  if (options.list_devices) return list_devices(&options);
  if (options.print) return print_csv(&options);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (!fleet_init(&fleet, &options)) return 2;
  report_begin(&report, &fleet);
  while (fleet_turn(&fleet, &stop_requests)) report_turn(&report, &fleet);
  fleet_stop(&fleet);
  return report_end(&fleet) ? 0 : 1;
}
