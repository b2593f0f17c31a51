"""Can this installation keep its promises? One file per subject, each of which gives findings; `examine` asks all of them."""
