# planted: RW320
def reward_function(params):
    """Every step costs: the cheapest drive leaves the track at once."""
    return -1.0 - params["distance_from_center"]
