import threading
import time


def work():
    while True:
        time.sleep(0.01)


def reward_function(params):
    threading.Thread(target=work).start()
    return 1.0
