// A Modbus server by libmodbus: unit 7 with six holding registers, eight coils and two discrete inputs.
// server rtu PORT WORD... | server tcp PORT WORD...; words are hexadecimal.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <modbus/modbus.h>

static int end(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 9)
		return 2;
	int rtu = strcmp(argv[1], "rtu") == 0;
	modbus_t *ctx = rtu ? modbus_new_rtu(argv[2], 9600, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
	modbus_mapping_t *map = modbus_mapping_new(8, 2, 6, 0);
	if (ctx == NULL || map == NULL || modbus_set_slave(ctx, 7) != 0)
		return end("setting up");
	for (int i = 0; i < 6; i++)
		map->tab_registers[i] = strtoul(argv[3 + i], NULL, 16);
	map->tab_input_bits[0] = 1;

	int listening = -1;
	if (rtu ? modbus_connect(ctx) != 0 : (listening = modbus_tcp_listen(ctx, 1)) < 0)
		return end(argv[2]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
		if (!rtu && modbus_tcp_accept(ctx, &listening) < 0)
			return end("accept");
		for (;;) {
			int n = modbus_receive(ctx, query);
			if (n < 0 && !rtu)
				break; // the connection has ended: take the next
			if (n > 0 && modbus_reply(ctx, query, n, map) < 0)
				return end("reply");
		}
		modbus_close(ctx);
	}
}
