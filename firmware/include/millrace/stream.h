/* A connection that carries bytes, TCP or TLS over it: the port below mqtt.h. TLS belongs here: open runs the handshake
 * and returns 0 until it is done, so neither the publisher nor the MQTT client knows of it. */
#ifndef MILLRACE_STREAM_H
#define MILLRACE_STREAM_H

#include <stdint.h>

struct millrace_stream {
  void *context;
  /* Begins or goes on connecting. > 0 connected, 0 try again, < 0 failed. */
  int (*open)(void *context);
  /* Bytes taken or delivered; 0 try again; < 0 the connection is gone. */
  int (*send)(void *context, const uint8_t *bytes, uint16_t length);
  int (*receive)(void *context, uint8_t *bytes, uint16_t length);
  void (*close)(void *context);
};

#endif
