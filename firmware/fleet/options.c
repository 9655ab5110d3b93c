#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmwares.h"
#include "json.h"
#include "millrace/frame.h"
#include "millrace/identity.h"
#include "model.h"
#include "password_file.h"

static const char help[] =
    "fleet: thousands of virtual devices in one process, each with the real edge batcher and its own MQTT 5 session.\n"
    "\n"
    "  fleet [options]                 synthetic data, open loop, by wall clock\n"
    "  fleet --csv [options] < FILE    time,device,quantity... as fast as it is acknowledged\n"
    "\n"
    "Devices\n"
    "  --url URL             broker, mqtt:// or mqtts:// (mqtt://127.0.0.1:1883)\n"
    "  --ca FILE             PEM of the authorities whose certificate a broker may have (the system's)\n"
    "  --username NAME       of every device (the device ID)\n"
    "  --password-file FILE  its first line is the password of every device (none; with --username the variable\n"
    "                        MQTT_FLEET_PASSWORD)\n"
    "  --certificates DIR    each device's own, DIR/ID.pem and DIR/ID.key (none)\n"
    "  --devices N           virtual devices (10)\n"
    "  --prefix NAME         device IDs NAME-0001, NAME-0002 ... (fleet)\n"
    "  --firmware NAME       " MILLRACE_FIRMWARE_NAMES " (hive-1)\n"
    "  --list-devices        print the device IDs, one a line, and exit; with --csv those of the file\n"
    "  --boot-file FILE      boot counter (.local/fleet/PREFIX.boot)\n"
    "Load\n"
    "  --sample-hz F         samples a second of each device (1)\n"
    "  --rate R              readings a second of all devices together; sets --sample-hz\n"
    "  --sparse              one sample a frame\n"
    "  --json                in place of frames, each sample as a JSON object in a message of its own: ts, standard names\n"
    "  --flush-ms N          seal a frame when its first sample is this old (1000)\n"
    "  --max-payload N       most bytes of a frame (280)\n"
    "  --duration S          seconds of sampling; 0: until SIGINT or SIGTERM (0)\n"
    "  --turn-ms N           gather work for this long: more costs less CPU and adds latency (4)\n"
    "  --seed N              of the synthetic data (1)\n"
    "  --inflight N          frames of a device that may wait for a PUBACK (20)\n"
    "  --queue N             sealed frames that a device keeps; beyond, samples are dropped and counted (64)\n"
    "  --drain S             seconds to wait at the end for PUBACKs; 0: no limit (10; 0 with --csv)\n"
    "File\n"
    "  --csv                 read lines on standard input; the header line names the quantities\n"
    "  --round               round values that the firmware cannot hold exactly, instead of reporting the line\n"
    "  --print               print the lines as the firmware holds them, and send nothing\n"
    "Report\n"
    "  --ledger FILE         one CSV line per acknowledged frame\n"
    "  --ledger-frames       add the frame itself to its line, in hexadecimal\n"
    "  --stats-json          one JSON object a second on standard output\n"
    "  --help                this text\n"
    "\n"
    "Exit status: 0 all that was sealed was acknowledged and every line was taken; 1 not; 2 bad usage.\n";

static void refuse(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("fleet: ", stderr);
  vfprintf(stderr, format, arguments);
  fputs("\nTry 'fleet --help'.\n", stderr);
  va_end(arguments);
  exit(2);
}

static long whole(const char *option, const char *text, long least, long most) {
  char *end;
  long value;
  errno = 0;
  value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < least || value > most)
    refuse("--%s \"%s\": expected a whole number from %ld to %ld", option, text, least, most);
  return value;
}

static double number(const char *option, const char *text, double least, double most) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(value) || value < least || value > most)
    refuse("--%s \"%s\": expected a number from %g to %g", option, text, least, most);
  return value;
}

static void parse_url(const char *url, struct options *options) {
  bool tls = strncmp(url, "mqtts://", strlen("mqtts://")) == 0;
  const char *host = url + strlen(tls ? "mqtts://" : "mqtt://");
  const char *colon;
  size_t length;
  if (!tls && strncmp(url, "mqtt://", strlen("mqtt://")) != 0) refuse("--url \"%s\": expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]", url);
  colon = strrchr(host, ':');
  length = colon == NULL ? strlen(host) : (size_t)(colon - host);
  if (length == 0 || length >= sizeof options->host || strcspn(host, "/@?") < strlen(host))
    refuse("--url \"%s\": expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]", url);
  memcpy(options->host, host, length);
  options->host[length] = '\0';
  options->tls = tls;
  snprintf(options->port, sizeof options->port, "%ld", colon == NULL ? (tls ? 8883 : 1883) : whole("url, port", colon + 1, 1, 65535));
}

static void parse_firmware(const char *name, struct options *options) {
  const struct firmware *firmware = firmware_find(name);
  if (firmware == NULL) refuse("--firmware \"%s\": expected %s", name, firmware_names);
  options->firmware = *firmware;
}

static void check_prefix(const char *prefix) {
  struct millrace_identity identity;
  if (strlen(prefix) > MILLRACE_DEVICE_ID_MAX - 11 ||
      millrace_identity_init(&identity, prefix, "hive-1", 0) != MILLRACE_OK)
    refuse("--prefix \"%s\": expected at most %d of A-Z a-z 0-9 _ -, the first a letter or digit", prefix,
           MILLRACE_DEVICE_ID_MAX - 11);
}

enum option_id {
  URL = 256, CA, USERNAME, PASSWORD_FILE, CERTIFICATES, DEVICES, PREFIX, FIRMWARE, LIST_DEVICES, BOOT_FILE, SAMPLE_HZ, RATE, SPARSE, JSON, FLUSH_MS,
  MAX_PAYLOAD, DURATION, SEED, INFLIGHT, QUEUE, DRAIN, CSV, ROUND, PRINT, LEDGER, LEDGER_FRAMES, STATS_JSON, TURN_MS, HELP
};

static const struct option_name {
  const char *name;
  int takes_value;
  enum option_id option;
} names[] = {
    {"url", 1, URL}, {"ca", 1, CA}, {"username", 1, USERNAME}, {"password-file", 1, PASSWORD_FILE}, {"certificates", 1, CERTIFICATES},
    {"devices", 1, DEVICES}, {"prefix", 1, PREFIX},
    {"firmware", 1, FIRMWARE}, {"list-devices", 0, LIST_DEVICES}, {"boot-file", 1, BOOT_FILE},
    {"sample-hz", 1, SAMPLE_HZ}, {"rate", 1, RATE}, {"sparse", 0, SPARSE}, {"json", 0, JSON}, {"flush-ms", 1, FLUSH_MS},
    {"max-payload", 1, MAX_PAYLOAD}, {"duration", 1, DURATION}, {"seed", 1, SEED}, {"inflight", 1, INFLIGHT},
    {"queue", 1, QUEUE}, {"drain", 1, DRAIN}, {"csv", 0, CSV}, {"round", 0, ROUND}, {"print", 0, PRINT}, {"ledger", 1, LEDGER},
    {"ledger-frames", 0, LEDGER_FRAMES}, {"stats-json", 0, STATS_JSON}, {"turn-ms", 1, TURN_MS}, {"help", 0, HELP}};

#define NAME_COUNT (sizeof names / sizeof names[0])

static void set(struct options *options, enum option_id option, const char *name, const char *value) {
  switch (option) {
    case URL: parse_url(value, options); break;
    case CA: options->ca_file = value; break;
    case USERNAME: options->username = value; break;
    case PASSWORD_FILE:
      options->password = millrace_password_file(value);
      if (options->password == NULL) refuse("--password-file \"%s\": expected a readable file with a line", value);
      break;
    case CERTIFICATES: options->certificates = value; break;
    case DEVICES: options->devices = (uint32_t)whole(name, value, 1, 1000000); break;
    case PREFIX: check_prefix(value); options->prefix = value; break;
    case FIRMWARE: parse_firmware(value, options); break;
    case LIST_DEVICES: options->list_devices = true; break;
    case BOOT_FILE: options->boot_file = value; break;
    case SAMPLE_HZ: options->sample_hz = number(name, value, 0.0001, 1000); break;
    case RATE: options->rate = number(name, value, 0.001, 1e9); break;
    case SPARSE: options->sparse = true; break;
    case JSON: options->json = true; break;
    case FLUSH_MS: options->flush_ms = (uint32_t)whole(name, value, 1, INT32_MAX); break;
    case MAX_PAYLOAD: options->max_payload = (uint16_t)whole(name, value, 1, 4096); break;
    case DURATION: options->duration_s = number(name, value, 0, 1e9); break;
    case SEED: options->seed = (uint32_t)whole(name, value, 0, UINT32_MAX); break;
    case INFLIGHT: options->in_flight = (uint16_t)whole(name, value, 1, 10000); break;
    case QUEUE: options->queue = (uint16_t)whole(name, value, 1, 65534); break;
    case DRAIN: options->drain_s = number(name, value, 0, 1e9); break;
    case CSV: options->csv = true; break;
    case ROUND: options->round = true; break;
    case PRINT: options->print = true; break;
    case LEDGER: options->ledger = value; break;
    case LEDGER_FRAMES: options->ledger_frames = true; break;
    case STATS_JSON: options->stats_json = true; break;
    case TURN_MS: options->turn_ms = (uint32_t)whole(name, value, 1, 1000); break;
    case HELP: fputs(help, stdout); exit(0);
  }
}

/* A slot of the queue holds the longest sample. */
static void check_json(struct options *options) {
  size_t longest = json_longest(&options->firmware);
  if (options->sparse || options->flush_ms != MILLRACE_FLUSH_MS || options->max_payload != MILLRACE_MAX_PAYLOAD)
    refuse("--json sends no frames: it takes no --sparse, --flush-ms or --max-payload");
  if (longest > JSON_MAX)
    refuse("--json: expected samples of at most %d bytes, those of %s may have %zu", JSON_MAX,
           options->firmware.schema->firmware, longest);
  options->max_payload = (uint16_t)longest;
}

static void check(struct options *options) {
  if (options->password == NULL && options->username != NULL) options->password = getenv("MQTT_FLEET_PASSWORD");
  uint16_t least = millrace_frame_least_payload(options->firmware.schema);
  if (options->max_payload < least)
    refuse("--max-payload \"%d\": expected a whole number from %d to 4096: a sample of %s must fit",
           options->max_payload, least, options->firmware.schema->firmware);
  if (!options->tls && (options->ca_file != NULL || options->certificates != NULL)) refuse("--ca and --certificates are for mqtts://");
  if (options->csv && (options->rate > 0 || options->sample_hz > 0 || options->sparse || options->duration_s > 0))
    refuse("--csv sends what the file has, as fast as it is acknowledged: it takes no --rate, --sample-hz, --sparse or --duration");
  if (!options->csv && !options->list_devices && !model_exists(options->firmware.schema))
    refuse("--firmware \"%s\": there is no synthetic data for it: add a model to firmware/fleet/model.c, or send a file with --csv",
           options->firmware.schema->firmware);
  if (options->ledger_frames && options->ledger == NULL) refuse("--ledger-frames adds to the lines of --ledger FILE: give both");
  if (options->json) check_json(options);
  if (options->round && !options->csv) refuse("--round is for --csv: synthetic data is exact");
  if (options->print && !options->csv) refuse("--print is for --csv: it prints the file");
  if (options->rate > 0 && options->sample_hz > 0) refuse("--rate sets --sample-hz: give one of them");
  if (options->rate > 0)
    options->sample_hz = options->rate / options->devices / options->firmware.schema->metric_count;
  if (options->sample_hz == 0) options->sample_hz = 1;
  if (options->sample_hz > 1000)
    refuse("--rate \"%g\": expected at most %.0f for %u devices of %s: a device has at most one sample a millisecond",
           options->rate, 1000.0 * options->devices * options->firmware.schema->metric_count, options->devices,
           options->firmware.schema->firmware);
  if (options->drain_s < 0) options->drain_s = options->csv ? 0 : 10;
}

void options_parse(int argc, char **argv, struct options *options) {
  struct option longs[NAME_COUNT + 1] = {{0}};
  int given;

  memset(options, 0, sizeof *options);
  parse_url("mqtt://127.0.0.1:1883", options);
  parse_firmware("hive-1", options);
  options->devices = 10;
  options->prefix = "fleet";
  options->flush_ms = MILLRACE_FLUSH_MS;
  options->max_payload = MILLRACE_MAX_PAYLOAD;
  options->turn_ms = 4;
  options->in_flight = 20;
  options->queue = 64;
  options->drain_s = -1;
  options->seed = 1;
  for (size_t i = 0; i < NAME_COUNT; i++) {
    longs[i].name = names[i].name;
    longs[i].has_arg = names[i].takes_value;
    longs[i].val = (int)names[i].option;
  }
  opterr = 0;
  while ((given = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
    if (given == ':') refuse("%s: expected a value", argv[optind - 1]);
    if (given == '?') refuse("unknown option \"%s\"", argv[optind - 1]);
    set(options, (enum option_id)given, names[given - URL].name, optarg);
  }
  if (optind < argc) refuse("unexpected argument \"%s\": all options begin with --", argv[optind]);
  check(options);
}
