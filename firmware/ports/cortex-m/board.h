/* What the library needs of a bare Cortex-M3: a millisecond clock from SysTick and a byte stream over a UART. Written for
 * the MPS2 AN385 board, which QEMU emulates; another part changes the addresses and the clock's frequency. */
#ifndef MILLRACE_CORTEX_M_BOARD_H
#define MILLRACE_CORTEX_M_BOARD_H

#include <stdint.h>

#include "millrace/stream.h"

/* Starts SysTick and the UART. */
void board_init(void);

/* Milliseconds since board_init, for millrace_clock_init. */
uint32_t board_now_ms(void *context);

/* Sleeps until the next interrupt. */
void board_wait(void);

/* A stream over UART 0, behind which a modem in transparent mode, or QEMU, holds the TCP connection. */
struct millrace_stream board_uart_stream(void);

#endif
