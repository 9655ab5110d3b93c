#define _GNU_SOURCE
#include "device_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmwares.h"
#include "millrace/config.h"
#include "millrace/identity.h"
#include "password_file.h"

static const char help[] =
    "millrace-device: this machine as a device. Readings wait in a file until the broker has them.\n"
    "\n"
    "  millrace-device --device ID [options] --thermal          the machine's own temperature\n"
    "  SENSOR | millrace-device --device ID [options]           lines on standard input\n"
    "\n"
    "A line is quantity=value[,quantity=value...] [time], as in: temperature=34.25,humidity=61 2026-11-23T04:00:00Z\n"
    "Without a time it is that of the line's arrival. Values are rounded to what the firmware can hold.\n"
    "\n"
    "  --device ID           device ID, also the MQTT username\n"
    "  --url URL             mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (mqtt://127.0.0.1:1883)\n"
    "  --password-file FILE  its first line is the MQTT password\n"
    "  --ca FILE             PEM of who signs the broker's certificate, for mqtts\n"
    "  --cert FILE, --key FILE  the device's own certificate\n"
    "  --firmware NAME       " MILLRACE_FIRMWARE_NAMES " (hive-1)\n"
    "  --thermal[=FILE]      thousandths of a degree (/sys/class/thermal/thermal_zone0/temp)\n"
    "  --interval-ms N       between readings of --thermal (1000)\n"
    "  --flush-ms N          seal a frame when its first sample is this old (1000)\n"
    "  --store FILE          where frames wait (ID.millrace)\n"
    "  --store-kb N          its size; a kilobyte holds three frames (1024)\n"
    "  --trust-clock         the system's clock is right although the kernel does not say that it is synchronised\n"
    "  --help                this text\n"
    "\n"
    "At the end of the input, and on SIGINT or SIGTERM, it waits ten seconds for what is not acknowledged.\n"
    "Exit status: 0 all was acknowledged; 1 frames are left in the store for the next run, or lines were not taken; 2 bad usage.\n";

static void refuse(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("millrace-device: ", stderr);
  vfprintf(stderr, format, arguments);
  fputs("\nTry 'millrace-device --help'.\n", stderr);
  va_end(arguments);
  exit(2);
}

static long whole(const char *option, const char *text, long least, long most) {
  char *end;
  long value;
  errno = 0;
  value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < least || value > most)
    refuse("%s \"%s\": expected a whole number from %ld to %ld", option, text, least, most);
  return value;
}

/* The scheme says whether there is TLS. True: there is. */
static bool parse_url(const char *url, struct device_options *options) {
  bool tls = strncmp(url, "mqtts://", 8) == 0;
  const char *host = url + (tls ? 8 : 7);
  const char *colon;
  size_t length;
  if (!tls && strncmp(url, "mqtt://", 7) != 0) refuse("--url \"%s\": expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]", url);
  colon = strrchr(host, ':');
  length = colon == NULL ? strlen(host) : (size_t)(colon - host);
  if (length == 0 || length >= sizeof options->host) refuse("--url \"%s\": expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]", url);
  memcpy(options->host, host, length);
  options->host[length] = '\0';
  options->broker.port = colon == NULL ? (tls ? 8883 : 1883) : (int)whole("--url, port", colon + 1, 1, 65535);
  return tls;
}

static const char *read_password(const char *path) {
  const char *password = millrace_password_file(path);
  if (password == NULL) refuse("--password-file \"%s\": expected a readable file with a line", path);
  return password;
}

static const struct option longs[] = {
    {"device", 1, NULL, 'd'}, {"url", 1, NULL, 'u'}, {"password-file", 1, NULL, 'p'}, {"ca", 1, NULL, 'a'}, {"cert", 1, NULL, 'c'},
    {"key", 1, NULL, 'k'}, {"firmware", 1, NULL, 'f'}, {"thermal", 2, NULL, 't'}, {"interval-ms", 1, NULL, 'i'}, {"flush-ms", 1, NULL, 'l'},
    {"store", 1, NULL, 's'}, {"store-kb", 1, NULL, 'b'}, {"trust-clock", 0, NULL, 'r'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};

static void set(struct device_options *options, int option, const char *value, bool *tls) {
  switch (option) {
    case 'd': options->device = value; break;
    case 'u': *tls = parse_url(value, options); break;
    case 'p': options->password = read_password(value); break;
    case 'a': options->broker.ca_file = value; break;
    case 'c': options->broker.certificate = value; break;
    case 'k': options->broker.key = value; break;
    case 'f':
      options->firmware = firmware_find(value);
      if (options->firmware == NULL) refuse("--firmware \"%s\": expected %s", value, firmware_names);
      break;
    case 't': options->thermal = value != NULL ? value : "/sys/class/thermal/thermal_zone0/temp"; break;
    case 'i': options->interval_ms = (uint32_t)whole("--interval-ms", value, 1, 86400000); break;
    case 'l': options->flush_ms = (uint32_t)whole("--flush-ms", value, 1, INT32_MAX); break;
    case 's': options->store = value; break;
    case 'b': options->store_sectors = (uint32_t)whole("--store-kb", value, 16, 1048576) / 4; break;
    case 'r': options->trust_clock = true; break;
    case 'h': fputs(help, stdout); exit(0);
    default: break;
  }
}

void device_options_parse(int argc, char **argv, struct device_options *options) {
  struct millrace_identity identity;
  bool tls = false;
  int given;

  memset(options, 0, sizeof *options);
  (void)parse_url("mqtt://127.0.0.1:1883", options);
  options->firmware = firmware_find("hive-1");
  options->interval_ms = 1000;
  options->flush_ms = MILLRACE_FLUSH_MS;
  options->store_sectors = 256;
  opterr = 0;
  while ((given = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
    if (given == ':') refuse("%s: expected a value", argv[optind - 1]);
    if (given == '?') refuse("unknown option \"%s\"", argv[optind - 1]);
    set(options, given, optarg, &tls);
  }
  if (optind < argc) refuse("unexpected argument \"%s\": all options begin with --", argv[optind]);
  if (options->device == NULL) refuse("--device: expected the device's ID");
  if (millrace_identity_init(&identity, options->device, "hive-1", 0) != MILLRACE_OK)
    refuse("--device \"%s\": expected 1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit", options->device);
  if (tls != (options->broker.ca_file != NULL)) refuse("--url \"%s\": mqtts needs --ca, and mqtt must not have it", options->host);
  if (options->thermal != NULL && firmware_metric(options->firmware, "temperature") < 0)
    refuse("--thermal: %s does not measure temperature", options->firmware->schema->firmware);
  if (options->store == NULL && asprintf((char **)&options->store, "%s.millrace", options->device) < 0) exit(1);
  options->broker.host = options->host;
}
