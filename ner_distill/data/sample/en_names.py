"""The entities of the English sample; their parts that both languages share are in `names.py`."""

from __future__ import annotations

from ner_distill.data.sample.grammar import Rules, lines, words

ENGLISH_NAMES: Rules = {
    "PER": lines(
        """
        <PER.m>
        <PER.f>
        """
    ),
    "PER.m": lines("*6 <first.m> <last>\n*2 <last>\n<first.m> <U>. <last.plain>"),
    "PER.f": lines("*6 <first.f> <last>\n*2 <last>\n<first.f> <last>-<last.plain>"),
    "PER.short": lines("*4 <last>\n<PER>"),
    "first.m": lines("*3 <anglo.m>\n*2 <iberian.m>\n*2 <given.m>"),
    "first.f": lines("*3 <anglo.f>\n*2 <iberian.f>\n*2 <given.f>"),
    "last": lines("*4 <anglo>\n*3 <iberian>\n*3 <surname>"),
    "last.plain": lines("<anglo.known>\n<iberian.known>"),
    "LOC": lines("*5 <LOC.city>\n*4 <LOC.country>\n*2 <LOC.nature>\n<region>\n<region.own>"),
    "place": lines("*9 <LOC>\nthe <LOC.the>"),
    "LOC.the": lines(
        """
        <town.short> [Mountains|Valley|Islands]
        [Balkans|Caucasus|Sahara|Pyrenees|Netherlands|Philippines]
        """
    ),
    "LOC.city": lines("*5 <city>\n*3 <city.own>\n*2 <town>\n<black><ton>\nNew <black><ton>"),
    "LOC.country": lines("*5 <country>\n*3 <country.own>"),
    "LOC.nature": lines(
        """
        Lake <town.short>
        Mount <anglo>
        <anglo> [Street|Square|Park|Island|Airport]
        <town.short> [Bay|Castle]
        Cape <anglo>
        """
    ),
    "city.own": words(
        "London Paris New_York Moscow Brussels Geneva Vienna Mexico_City Beijing Tokyo Rome Glasgow Cairo Athens"
    ),
    "country.own": words(
        "Spain France Germany Italy Britain England Scotland Russia Japan Brazil Mexico Peru Sweden Norway Turkey "
        "Egypt Greece Poland Hungary Morocco Croatia South_Africa Ireland Canada Holland"
    ),
    "region.own": words("Catalonia Siberia Scotland Wales Latin_America Eastern_Europe Central_Asia Cornwall"),
    "ORG": lines("*4 <ORG.company>\n*3 <ORG.public>\n*2 <ORG.school>\n<ORG.acronym>\n<ORG.club>"),
    "ORG.company": lines(
        """
        *4 <brand>
        <brand> [Corp|Inc|Ltd|Group|Holdings|Bank]
        <anglo> [Group|Motors|Holdings|Foods|Airlines|Partners]
        *2 <anglo>
        <last> & <last>
        Grupo <iberian>
        Banco <iberian>
        Banco de <city>
        Bank of <town>
        <city> [Airlines|Steel|Electric|Telecom]
        """
    ),
    "ORG.public": lines(
        """
        [Foreign|Defence|Finance|Interior|Health] Ministry
        [Central|National] Bank of <country>
        <nat> [Football|Tennis|Athletics] Federation
        <nat> [Red Cross|Parliament|Academy]
        National [Institute|Council|Assembly] of [Health|Statistics|Culture|Farmers]
        [Supreme|Constitutional|High] Court
        <party> Party
        <city> [Chamber of Commerce|City Council|Stock Exchange|Police]
        <anglo> [Foundation|Institute|Hospital]
        [Association|Union] of <nat> [Writers|Farmers|Pilots]
        """
    ),
    "party": words("Liberal Labour Socialist Popular Green Democratic National_Action Conservative People_'s"),
    "ORG.school": lines(
        """
        University of <town>
        University of <city>
        <city> University
        <anglo> College
        <black><ton> School
        """
    ),
    "ORG.acronym": lines("<acronym>"),
    "ORG.agency": lines("<agency>"),
    "ORG.paper": lines("<city> [Times|Herald|Post]\nEl Diario de <city>\nLa <paper>\nThe <black><ton> [Times|Gazette]"),
    "paper": words("Voz Nación Tribuna Verdad Prensa Crónica"),
    "ORG.club": lines("*5 <club>\n<black><ton> [United|City|Rovers|Town]\n<black><ton>\n<city.own>"),
    "ORG.nation": lines("<country>\n<country.own>"),
    "MISC.nat": lines("<nat>"),
    "nat": words(
        "Spanish French German Italian British Russian Argentine Chilean Colombian Mexican Cuban Peruvian Brazilian "
        "Dutch Swedish Turkish Israeli Indian Chinese Japanese Serbian Bosnian Basque Catalan American European "
        "Portuguese"
    ),
    "MISC.born": lines("<city.one>-born\n<city.one>-based"),
    "MISC.nat.plural": words(
        "Spaniards Argentines Germans Russians Italians Colombians Serbs Basques Catalans Americans"
    ),
    "MISC.event": lines(
        """
        *2 <city> [Open|Cup|Marathon|Grand Prix|Film Festival]
        <city> [Masters|Rally]
        <country> Open
        <nat> [Cup|Open|League|Championship]
        [World|European|Davis] Cup
        <surname> [Prize|Trophy]
        Copa <country>
        <year> <city> [Games|Fair]
        """
    ),
    "MISC.model": lines("<model>"),
    "MISC.work": lines(
        """
        The [Last|Lost|Silent|Long] [Summer|River|House|Bride|Journey]
        [Letters|Songs|Tales] from <town>
        The [Garden|Secret|Night] of <given.f>
        """
    ),
}
