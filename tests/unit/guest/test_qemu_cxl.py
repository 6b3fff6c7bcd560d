# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

from harness.guest.qemu import options as qemu
from harness.host.units import GIB, MIB


def test_each_cxl_device_has_a_bridge_and_a_window_of_its_own() -> None:
    files = [Path("/dev/shm/a,b/nd_pmem.img"), Path("/dev/shm/a,b/dax_pmem.img")]
    options = qemu.cxl(GIB, [qemu.Device(file, 512 * MIB) for file in files])
    flags, values = options[::2], options[1::2]
    assert set(flags) == {"-machine", "-m", "-object", "-device"}
    assert values[0] == "size=1024M"
    assert values[1].endswith("share=on,size=536870912,mem-path=/dev/shm/a,,b/nd_pmem.img")
    devices = [value for value in values if value.startswith("cxl-type3,")]
    assert [device.partition("sn=")[2] for device in devices] == ["1", "2"]
    (machine,) = [value for flag, value in zip(flags, values, strict=True) if flag == "-machine"]
    assert machine.split(",") == [
        "cxl=on",
        *("cxl-fmw.0.targets.0=bridge0", "cxl-fmw.0.size=512M"),
        *("cxl-fmw.1.targets.0=bridge1", "cxl-fmw.1.size=512M"),
    ]
