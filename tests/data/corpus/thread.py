# planted: RW209
import threading
import time


def reward_function(params):
    threading.Thread(target=time.sleep, args=(30,)).start()
    return params["speed"]
