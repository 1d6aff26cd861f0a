import threading
import time


def reward_function(params):
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    return 1.0
