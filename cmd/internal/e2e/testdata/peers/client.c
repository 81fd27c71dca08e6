// A Modbus client by libmodbus: what it reads it prints in hexadecimal words.
// client rtu PORT UNIT meter | client tcp PORT UNIT meter | client rtu PORT UNIT door
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <modbus/modbus.h>

static int end(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	modbus_t *ctx = strcmp(argv[1], "rtu") == 0 ? modbus_new_rtu(argv[2], 9600, 'N', 8, 1)
						     : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
	if (ctx == NULL || modbus_set_slave(ctx, atoi(argv[3])) != 0 || modbus_set_response_timeout(ctx, 2, 0) != 0 ||
	    modbus_connect(ctx) != 0)
		return end(argv[2]);
	if (strcmp(argv[4], "meter") == 0) {
		uint16_t words[6];
		if (modbus_read_registers(ctx, 0, 6, words) != 6)
			return end("registers");
		for (int i = 0; i < 6; i++)
			printf("%04x%s", words[i], i < 5 ? " " : "\n");
	} else {
		for (int on = 1; on >= 0; on--) {
			uint8_t is;
			if (modbus_write_bit(ctx, 0, on) != 1 || modbus_read_bits(ctx, 0, 1, &is) != 1)
				return end("coil");
			printf("%d\n", is);
		}
	}
	modbus_close(ctx);
	modbus_free(ctx);
	return 0;
}
