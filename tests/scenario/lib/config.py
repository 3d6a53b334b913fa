"""Configurations as dicts, written as JSON, which is YAML too. Tests of YAML itself bring their own text."""
import json

from lib.wait import free_port


def listener(**more):
    return {"address": f"127.0.0.1:{free_port()}", **more}


def pool(name, endpoints, **more):
    """Probing and scraping are off unless a test wants it: a recording endpoint must see the client's requests only."""
    return {"name": name, "engine": "vllm", "endpoints": list(endpoints), "health": {"active": False},
            "metrics": {"active": False}, **more}


def model(name, pool_name, **more):
    return {"name": name, "versions": [{"name": "v1", "pool": pool_name}], **more}


def gateway(pools, models=None, listeners=None, admin=True, **top):
    """Everything a gateway needs: one worker, one listener, the model "*" to the first pool."""
    if isinstance(pools, dict):
        pools = [pools]
    whole = {
        "workers": 1,
        "listeners": listeners or [listener()],
        "access_log": "access.log",
        "drain_timeout": "2s",
        "models": models or [model("*", pools[0]["name"])],
        "pools": pools,
        **top,
    }
    if admin:
        whole["admin"] = {"address": f"127.0.0.1:{free_port()}"}
    return whole


def text(configuration):
    return json.dumps(configuration, indent=2) + "\n"


def _port(address):
    return int(address.rsplit(":", 1)[1])


def port_of(configuration, index):
    """The port of a listener; 0 when there is none."""
    listeners = configuration.get("listeners") or []
    return _port(listeners[index]["address"]) if index < len(listeners) else 0


def admin_port_of(configuration):
    admin = configuration.get("admin")
    return _port(admin["address"]) if admin else 0


def strict_listener(**more):
    """A listener whose deadlines are short and whose limits are small, so that tests of them are quick."""
    return listener(timeouts={"handshake": "500ms", "head": "1s", "body": "2s", "idle": "1s", "stall": "1s"}, **more)
