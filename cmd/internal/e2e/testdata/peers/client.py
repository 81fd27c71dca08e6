"""A Modbus client by pymodbus: what it reads it prints in hexadecimal words.

client.py rtu PORT UNIT meter | client.py tcp PORT UNIT meter | client.py rtu PORT UNIT door
"""
import sys

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.transaction import ModbusRtuFramer

how, where, unit, what = sys.argv[1:]
if how == "rtu":
    client = ModbusSerialClient(where, framer=ModbusRtuFramer, baudrate=9600, timeout=2)
else:
    client = ModbusTcpClient("127.0.0.1", port=int(where), timeout=2)
if not client.connect():
    sys.exit("no connection")


def good(answer):
    if answer.isError():
        sys.exit(str(answer))
    return answer


if what == "meter":
    print(" ".join(f"{word:04x}" for word in good(client.read_holding_registers(0, 6, slave=int(unit))).registers))
else:
    for on in (True, False):
        good(client.write_coil(0, on, slave=int(unit)))
        print(int(good(client.read_coils(0, 1, slave=int(unit))).bits[0]))
client.close()
