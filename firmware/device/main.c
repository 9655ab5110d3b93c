/* millrace-device: a Linux machine as a device. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "device_options.h"
#include "file_flash.h"
#include "line.h"
#include "millrace/batcher.h"
#include "millrace/boot.h"
#include "millrace/flash_store.h"
#include "millrace/publisher.h"
#include "voice.h"

#define BOOT_SECTORS 2
#define IN_FLIGHT 16
#define DRAIN_MS 10000
#define CLOCK_CHECK_MS 10000

static struct device_options options;
static volatile sig_atomic_t stopped;
static struct millrace_clock clock_;
static struct millrace_batcher batcher;
static struct millrace_flash_store store;
static struct millrace_publisher publisher;
static struct millrace_mosquitto mosquitto;
static struct file_flash file, boot_region, store_region;
static struct voice voice;
static uint64_t lines, lines_refused, samples_dropped;

static void stop(int signal_number) {
  (void)signal_number;
  stopped = 1;
}

static int64_t clock_ms(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* CLOCK_BOOTTIME goes on while the machine is suspended, as the time of day does. */
static uint32_t now_ms(void *context) {
  (void)context;
  return (uint32_t)clock_ms(CLOCK_BOOTTIME);
}

/* Takes the time of day when the kernel says that NTP has set it: a Raspberry Pi boots with yesterday's. */
static void check_clock(void) {
  struct timex state = {0};
  if (options.trust_clock || adjtimex(&state) != TIME_ERROR) (void)millrace_clock_set(&clock_, clock_ms(CLOCK_REALTIME));
}

/* Opens the store and makes everything on top of it. False, after printing why. */
static bool start(void) {
  static struct millrace_in_flight in_flight[IN_FLIGHT];
  static struct millrace_identity identity;
  static uint8_t batching[2 * MILLRACE_MAX_PAYLOAD], frame[MILLRACE_MAX_PAYLOAD];
  uint32_t random, sectors = options.store_sectors;
  int32_t boot, discarded;

  if (!file_flash_open(&file, options.store, BOOT_SECTORS + sectors)) {
    fprintf(stderr, "millrace-device: --store \"%s\": %s\n", options.store,
            errno == EWOULDBLOCK ? "another millrace-device has it open" : strerror(errno));
    return false;
  }
  struct millrace_flash boot_flash = file_flash_region(&boot_region, &file, 0, BOOT_SECTORS);
  struct millrace_flash store_flash = file_flash_region(&store_region, &file, BOOT_SECTORS, sectors);
  struct millrace_flash_memory memory = {calloc(sectors, sizeof *memory.sectors),
                                         calloc(1, millrace_flash_store_bits(&store_flash, MILLRACE_MAX_PAYLOAD)), frame, MILLRACE_MAX_PAYLOAD};
  if (memory.sectors == NULL || memory.waiting_bits == NULL || getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
    fprintf(stderr, "millrace-device: there is no memory for --store-kb %lu, or no random number\n", (unsigned long)sectors * 4);
    return false;
  }
  if (millrace_boot_next(&boot_flash, random, &boot) != MILLRACE_OK ||
      millrace_flash_store_open(&store, &store_flash, &memory, &discarded) != MILLRACE_OK) {
    fprintf(stderr, "millrace-device: --store \"%s\": cannot be read and written, or its boot numbers are used up\n", options.store);
    return false;
  }
  millrace_clock_init(&clock_, now_ms, NULL);
  check_clock();
  (void)millrace_identity_init(&identity, options.device, options.firmware->schema->firmware, boot);
  struct millrace_batcher_config batching_config = {options.firmware->schema, &clock_, millrace_flash_store_sink(&store), batching,
                                                    MILLRACE_MAX_PAYLOAD, options.flush_ms, boot};
  (void)millrace_batcher_init(&batcher, &batching_config);
  millrace_batcher_discard(&batcher, discarded);
  millrace_mosquitto_global_init();
  millrace_mosquitto_init(&mosquitto, &options.broker);
  voice = (struct voice){.options = &options, .session = &mosquitto};
  struct millrace_publisher_config publishing = {
      .session = millrace_mosquitto_session(&mosquitto), .store = millrace_flash_store_port(&store), .identity = &identity,
      .password = options.password, .in_flight = in_flight, .in_flight_size = IN_FLIGHT, .live_first = true, .seed = random,
      .reconnect_min_ms = MILLRACE_RECONNECT_MIN_MS, .reconnect_max_ms = MILLRACE_RECONNECT_MAX_MS, .observer = voice_observer(&voice), .clock = &clock_, .boot = boot};
  (void)millrace_publisher_init(&publisher, &publishing);
  millrace_publisher_start(&publisher, now_ms(NULL), 0);
  fprintf(stderr, "millrace-device: %s as %s, boot %d, broker %s:%d\n", options.device, options.firmware->schema->firmware, boot,
          options.broker.host, options.broker.port);
  return true;
}

static void take(struct line *line) {
  enum millrace_status status = line->timed ? millrace_batcher_offer(&batcher, MILLRACE_SYNCED, line->time_ms, line->values)
                                            : millrace_batcher_sample(&batcher, line->values);
  if (status == MILLRACE_OK) return;
  if (line->timed) millrace_batcher_discard(&batcher, 1);
  samples_dropped++;
}

static void take_line(char *text) {
  struct line line;
  const char *wrong;
  if (*text == '\0') return;
  lines++;
  /* Samples of one millisecond are one sample: the next line waits for the next millisecond. */
  while (millrace_clock_uptime(&clock_) == batcher.sampled_uptime) usleep(200);
  wrong = line_parse(text, options.firmware, &line);
  if (wrong == NULL) {
    take(&line);
    return;
  }
  if (lines_refused++ < 10) fprintf(stderr, "millrace-device: line %llu: %s\n", (unsigned long long)lines, wrong);
}

/* False: the input has ended. */
static bool read_lines(void) {
  static char buffer[4096];
  static size_t length;
  ssize_t got = read(STDIN_FILENO, buffer + length, sizeof buffer - 1 - length);
  char *start_of_line = buffer;
  char *end;
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  length += (size_t)got;
  buffer[length] = '\0';
  if (got == 0 && length > 0) buffer[length++] = '\n';
  while ((end = memchr(start_of_line, '\n', length - (size_t)(start_of_line - buffer))) != NULL) {
    *end = '\0';
    if (end > start_of_line && end[-1] == '\r') end[-1] = '\0';
    take_line(start_of_line);
    start_of_line = end + 1;
  }
  length -= (size_t)(start_of_line - buffer);
  memmove(buffer, start_of_line, length);
  if (length == sizeof buffer - 1) length = 0; /* no line is that long: what follows will not parse and is counted */
  return got > 0;
}

/* The machine's temperature: the file holds thousandths of a degree. */
static void read_thermal(void) {
  char text[32], reading[64];
  long value;
  FILE *thermal = fopen(options.thermal, "r");
  if (thermal == NULL || fgets(text, sizeof text, thermal) == NULL) {
    if (lines_refused++ < 10) fprintf(stderr, "millrace-device: --thermal \"%s\": cannot be read\n", options.thermal);
  } else {
    value = strtol(text, NULL, 10);
    snprintf(reading, sizeof reading, "temperature=%s%ld.%03ld", value < 0 ? "-" : "", labs(value) / 1000, labs(value) % 1000);
    take_line(reading);
  }
  if (thermal != NULL) fclose(thermal);
}

static void wait_for_work(bool reading, int timeout_ms) {
  bool want_write;
  int socket = millrace_mosquitto_socket(&mosquitto, &want_write);
  struct pollfd watched[] = {{socket, (short)(POLLIN | (want_write ? POLLOUT : 0)), 0}, {reading ? STDIN_FILENO : -1, POLLIN, 0}};
  (void)poll(watched, 2, timeout_ms);
}

/* Frames that are not acknowledged, the open one included. */
static unsigned frames_left(void) {
  unsigned left = batcher.open ? 1 : 0;
  for (uint32_t i = 0; i < store.flash.sector_count; i++) left += (unsigned)store.memory.sectors[i].waiting + store.memory.sectors[i].taken;
  return left;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = stop};
  bool reading = true, ended = false;
  uint32_t ended_ms = 0, next_thermal_ms, clock_checked_ms;
  char ending[512];

  device_options_parse(argc, argv, &options);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (!start()) return 2;
  next_thermal_ms = clock_checked_ms = now_ms(NULL);
  if (options.thermal == NULL && fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0) {
    fprintf(stderr, "millrace-device: standard input: %s\n", strerror(errno));
    return 2;
  }
  for (;;) {
    uint32_t now = now_ms(NULL);
    if (now - clock_checked_ms >= CLOCK_CHECK_MS) {
      clock_checked_ms = now;
      check_clock();
    }
    if (reading && options.thermal != NULL && (int32_t)(now - next_thermal_ms) >= 0) {
      next_thermal_ms += options.interval_ms;
      read_thermal();
    }
    if (reading && options.thermal == NULL && !read_lines()) reading = false;
    if (stopped) reading = false;
    if (!reading && !ended) {
      ended = true;
      ended_ms = now;
      (void)millrace_batcher_flush(&batcher);
      if (frames_left() > 0 && publisher.state != MILLRACE_PUBLISHER_READY)
        fprintf(stderr, "millrace-device: the input has ended: %u frames wait at most %d s for the broker\n", frames_left(), DRAIN_MS / 1000);
    }
    (void)millrace_batcher_poll(&batcher);
    millrace_publisher_poll(&publisher, now);
    voice_turn(&voice, &publisher, now);
    if (ended && (frames_left() == 0 || now - ended_ms > DRAIN_MS || boot_region.failed || store_region.failed)) break;
    wait_for_work(reading && options.thermal == NULL, options.interval_ms < 100 ? (int)options.interval_ms : 100);
  }
  millrace_publisher_stop(&publisher);
  millrace_mosquitto_end(&mosquitto);
  voice_ending(&voice, frames_left(), ending, sizeof ending);
  fprintf(stderr, "millrace-device: %llu samples, %llu dropped, %llu not taken, %s\n", (unsigned long long)lines,
          (unsigned long long)samples_dropped, (unsigned long long)lines_refused, ending);
  return frames_left() == 0 && lines_refused == 0 && samples_dropped == 0 ? 0 : 1;
}
