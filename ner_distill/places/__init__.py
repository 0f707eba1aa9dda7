"""Where things lie that need not lie on this machine: stores (`Place`), files of text, and the URLs of both."""

from ner_distill.places.base import Place
from ner_distill.places.local import LocalPlace
from ner_distill.places.opening import Location, place_of

__all__ = ["LocalPlace", "Location", "Place", "place_of"]
