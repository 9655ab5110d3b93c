/* The board under the program that docs/firmware.md prints: a socket to the broker, flash in memory, and a clock that runs SPEED
 * times as fast as the wall's, so that a minute of the device takes seconds. Ends with 0 after EXAMPLE_MS of its own time.
 * The environment: EXAMPLE_PORT, EXAMPLE_MS. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "millrace/flash.h"
#include "socket_stream.h"

#define SPEED 20
#define SECTOR 4096

uint32_t board_now_ms(void *context);
uint32_t board_random(void);
void board_sleep_ms(uint32_t ms);
struct millrace_stream board_stream(void);
struct millrace_flash board_boot_flash(void);
int32_t board_temperature(void);
int32_t board_humidity(void);

static struct socket_stream stream;
static int epoll_;
static uint8_t flash[2 * SECTOR];

uint32_t board_now_ms(void *context) {
  static int64_t begun_ms;
  struct timespec now;
  (void)context;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (begun_ms == 0) begun_ms = now_ms;
  return (uint32_t)((now_ms - begun_ms) * SPEED);
}

static uint32_t environment(const char *name) {
  const char *text = getenv(name);
  if (text == NULL) exit(2);
  return (uint32_t)strtoul(text, NULL, 10);
}

uint32_t board_random(void) { return 2222; }

void board_sleep_ms(uint32_t ms) {
  struct epoll_event event;
  if (board_now_ms(NULL) >= environment("EXAMPLE_MS")) exit(0);
  if (epoll_wait(epoll_, &event, 1, 0) > 0) socket_stream_report(&stream, event.events);
  usleep(ms * 1000 / SPEED);
}

struct millrace_stream board_stream(void) {
  static struct sockaddr_storage address;
  struct sockaddr_in *to = (struct sockaddr_in *)&address;
  to->sin_family = AF_INET;
  to->sin_port = htons((uint16_t)environment("EXAMPLE_PORT"));
  to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  epoll_ = epoll_create1(0);
  socket_stream_init(&stream, epoll_, &address, sizeof *to, &stream);
  return socket_stream_port(&stream);
}

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  (void)context;
  memcpy(bytes, flash + offset, length);
  return 0;
}

static int flash_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  (void)context;
  for (unsigned i = 0; i < length; i++) flash[offset + i] &= bytes[i];
  return 0;
}

static int flash_erase(void *context, uint32_t sector) {
  (void)context;
  memset(flash + sector * SECTOR, 0xFF, SECTOR);
  return 0;
}

struct millrace_flash board_boot_flash(void) {
  struct millrace_flash port = {NULL, SECTOR, 2, 4, flash_read, flash_program, flash_erase};
  memset(flash, 0xFF, sizeof flash);
  return port;
}

int32_t board_temperature(void) { return 2600 + (int32_t)(board_now_ms(NULL) / 7000 % 5); }
int32_t board_humidity(void) { return 5500; }
