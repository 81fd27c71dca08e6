"""A Modbus server by pymodbus: unit 7 with six holding registers, a coil and two discrete inputs.

server.py rtu PORT REGISTERS | server.py tcp PORT REGISTERS; registers are hexadecimal words with commas between.
"""
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartSerialServer, StartTcpServer
from pymodbus.transaction import ModbusRtuFramer

how, where, words = sys.argv[1:]
registers = [int(word, 16) for word in words.split(",")]
unit = ModbusSlaveContext(
    hr=ModbusSequentialDataBlock(0, registers),
    co=ModbusSequentialDataBlock(0, [False] * 8),
    di=ModbusSequentialDataBlock(0, [True, False]),
    zero_mode=True,
)
context = ModbusServerContext(slaves={7: unit}, single=False)
print("ready", flush=True)
if how == "rtu":
    StartSerialServer(context=context, framer=ModbusRtuFramer, port=where, baudrate=9600, timeout=0.05)
else:
    StartTcpServer(context=context, address=("127.0.0.1", int(where)))
