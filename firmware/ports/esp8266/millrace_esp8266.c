#include "millrace_esp8266.h"

#include <errno.h>
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>
#include <lwip/sockets.h>
#include <spi_flash.h>
#include <string.h>

#define SECTOR 4096

/* The SPI driver moves whole, aligned words. */
#define WORDS 64

void millrace_esp8266_stream_init(struct millrace_esp8266_stream *stream, const char *address, uint16_t port) {
  stream->address = address;
  stream->port = port;
  stream->socket = -1;
}

static int open_stream(void *context) {
  struct millrace_esp8266_stream *stream = context;
  int error = 0;
  socklen_t length = sizeof error;
  fd_set writable;
  struct timeval now = {0, 0};

  if (stream->socket < 0) {
    struct sockaddr_in to;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(stream->port);
    to.sin_addr.s_addr = inet_addr(stream->address);
    stream->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (stream->socket < 0) return -1;
    if (fcntl(stream->socket, F_SETFL, O_NONBLOCK) < 0) return -1;
    return connect(stream->socket, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS ? 0 : -1;
  }
  FD_ZERO(&writable);
  FD_SET(stream->socket, &writable);
  if (select(stream->socket + 1, NULL, &writable, NULL, &now) <= 0) return 0;
  if (getsockopt(stream->socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) return -1;
  return 1;
}

static int send_bytes(void *context, const uint8_t *bytes, uint16_t length) {
  struct millrace_esp8266_stream *stream = context;
  int sent = send(stream->socket, bytes, length, 0);
  return sent >= 0 ? sent : errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
}

static int receive_bytes(void *context, uint8_t *bytes, uint16_t length) {
  struct millrace_esp8266_stream *stream = context;
  int received = recv(stream->socket, bytes, length, 0);
  if (received == 0) return -1;
  return received > 0 ? received : errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
}

static void close_stream(void *context) {
  struct millrace_esp8266_stream *stream = context;
  if (stream->socket >= 0) close(stream->socket);
  stream->socket = -1;
}

struct millrace_stream millrace_esp8266_stream_port(struct millrace_esp8266_stream *stream) {
  struct millrace_stream port = {stream, open_stream, send_bytes, receive_bytes, close_stream};
  return port;
}

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  struct millrace_esp8266_region *region = context;
  uint32_t words[WORDS];
  while (length > 0) {
    uint32_t before = offset % 4;
    uint16_t piece = (uint16_t)(sizeof words - before < length ? sizeof words - before : length);
    uint32_t whole = (before + piece + 3) / 4 * 4;
    if (spi_flash_read(region->first * SECTOR + offset - before, words, whole) != ESP_OK) return -1;
    memcpy(bytes, (const uint8_t *)words + before, piece);
    bytes += piece;
    offset += piece;
    length = (uint16_t)(length - piece);
  }
  return 0;
}

static int flash_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  struct millrace_esp8266_region *region = context;
  uint32_t words[WORDS];
  while (length > 0) {
    uint16_t piece = (uint16_t)(sizeof words < length ? sizeof words : length);
    memcpy(words, bytes, piece);
    if (spi_flash_write(region->first * SECTOR + offset, words, piece) != ESP_OK) return -1;
    bytes += piece;
    offset += piece;
    length = (uint16_t)(length - piece);
  }
  return 0;
}

static int flash_erase(void *context, uint32_t sector) {
  struct millrace_esp8266_region *region = context;
  return spi_flash_erase_sector(region->first + sector) == ESP_OK ? 0 : -1;
}

struct millrace_flash millrace_esp8266_flash(struct millrace_esp8266_region *region, uint32_t count) {
  struct millrace_flash flash = {region, SECTOR, count, 4, flash_read, flash_program, flash_erase};
  return flash;
}

uint32_t millrace_esp8266_now_ms(void *context) {
  (void)context;
  return (uint32_t)xTaskGetTickCount() * portTICK_PERIOD_MS;
}
