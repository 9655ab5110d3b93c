/* The library on the ESP8266 (ESP8266_RTOS_SDK 3.4): a stream over lwIP sockets, flash over the SPI driver, a clock over
 * FreeRTOS ticks. The library itself is compiled for lx106 in the tests; this file is not, for the SDK is not to be had there.
 *
 * With TLS, put ports/bearssl/tls_stream.h over this stream: it needs 4.5 KB of buffer when the broker honours the maximum
 * fragment length, else 17 KB, of the 40 KB or so that an application has. */
#ifndef MILLRACE_ESP8266_H
#define MILLRACE_ESP8266_H

#include <stdint.h>

#include "millrace/flash.h"
#include "millrace/stream.h"

struct millrace_esp8266_stream {
  const char *address; /* IPv4 in dots: resolve the name once, when Wi-Fi is up */
  uint16_t port;
  int socket; /* -1: closed */
};

void millrace_esp8266_stream_init(struct millrace_esp8266_stream *stream, const char *address, uint16_t port);
struct millrace_stream millrace_esp8266_stream_port(struct millrace_esp8266_stream *stream);

/* Sectors of the SPI flash that the partition table leaves alone, first counted from the start of the chip. */
struct millrace_esp8266_region {
  uint32_t first;
};
struct millrace_flash millrace_esp8266_flash(struct millrace_esp8266_region *region, uint32_t count);

/* For millrace_clock_init. */
uint32_t millrace_esp8266_now_ms(void *context);

#endif
