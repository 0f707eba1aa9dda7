"""The grammar of the English sample: invented news, as agencies write it. Types PER, LOC, ORG, MISC."""

from __future__ import annotations

from ner_distill.data.sample.en_names import ENGLISH_NAMES
from ner_distill.data.sample.grammar import Rules, lines, words
from ner_distill.data.sample.names import NAMES
from ner_distill.data.sample.words import ENGLISH_WORDS

ENGLISH: Rules = {
    **NAMES,
    **ENGLISH_NAMES,
    **ENGLISH_WORDS,
    "sentence": lines(
        """
        *9 <clause> .
        *5 <timed> .
        *4 <clause> <when> .
        *5 <adverbial> , <clause> .
        *4 <clause> <after> .
        *4 <clause> , [while|but|and] <timed> .
        *4 " <quote> , " <someone> [said|told reporters|added] <when> .
        *3 <someone> said <that> <claim> .
        *2 " <quote> . "
        *3 <LOC.city> , <month> <day> ( <ORG.agency> ) - <timed> .
        *2 <claim> .
        *3 <common> .
        *2 " <slogan> , " [the crowd|the children|the farmers] [sang|shouted|chanted] in <place> .
        *3 <score>
        *2 <ranking>
        <market>
        ^<headline>
        """
    ),
    # Clauses
    "clause": lines(
        """
        *2 <someone> [will travel to|arrived in|left|visited|flew to|was born in|grew up in] <place>
        *2 <someone> [met|criticised|thanked|replaced|succeeded|praised] <someone>
        <someone> [joined|left|sued|has worked for|resigned from] <the.org>
        <PER> , <role> , [declined to comment|will step down|was re-elected|denied the charges]
        <PER> , who [lives in|was raised in] <place> , [published|presented] <a.work>
        *2 <ORG.company> [said|announced|confirmed] it would [open an office|close its branch] in <place>
        <ORG.company> [bought|agreed to buy|sold] <d><0> percent of <ORG.company> for <n> million dollars
        <the.org> has named <PER> as its new <post>
        <the.org> [asked|urged|invited] <the.org> to [pay|help|send experts]
        <the.org> and <the.org> signed an agreement to [build|modernise|finance] <building> in <place>
        <the.org> [rejected|approved|postponed] <matter> [proposed|drafted] by <the.org>
        <ORG.company> [won the contract|will pay] , [according to|said] <someone>
        <the.club> [signed|released|bought] [striker|goalkeeper|defender|midfielder] <PER.m> from <the.club>
        [striker|goalkeeper|captain] <PER.m> scored [twice|the winner|a late goal] for <the.club>
        *2 [police|troops|rescuers|protesters] in <place> [seized|blocked|searched] <building>
        [a strong earthquake|heavy rain|a fire] [hit|struck|damaged] <place> , in [the north|the south] of <LOC.country>
        the <MISC.nat> [government|parliament|army|opposition] [rejected|prepared|suspended] <matter>
        <someone> [read|translated|directed] " <MISC.work> " , [a novel|a film|a play] set in <place>
        <LOC.country> [expelled|recalled] the <MISC.nat> ambassador over <matter>
        """
    ),
    "timed": lines(
        """
        <someone> was [arrested in|found dead near|taken to a hospital in] <place> <when>
        <PER> , <age> , won the <MISC.event> [for the first time|by two strokes|in straight sets]
        <PER.~> [beat|defeated] <PER.~> <set> <set> in the [final|semifinal|second round] of the <MISC.event>
        <ORG.company> [reported|posted] a [profit|loss] of <n> million dollars [last year|in the first half]
        <ORG.company> launched the <MISC.model> in <place> <when>
        <the.club> beat <the.club> <win> <when>
        <the.club> lost <loss> to <the.club> <when>
        <ORG.nation> beat <ORG.nation> <win> <when>
        <ORG.nation> drew <draw> with <ORG.nation> <when>
        [at least|about|more than] <n> people [were killed|were injured|lost their homes] in <place> , <source> said
        <LOC.country> and <LOC.country> [signed a treaty|broke off talks|reopened their border] <when>
        the [road|train|flight] from <LOC.city> to <LOC.city> was [closed|delayed|cancelled] because of \
            [snow|a strike|fog]
        <MISC.nat.plural> [voted|went on strike|celebrated] in <place> <when>
        shares of <ORG.company> [rose|fell] <d>.<0> percent to close at <n> dollars
        """
    ),
    "claim": lines(
        """
        the situation in <place> is [serious|improving|under control]
        there is [no doubt|no proof] that <PER.short> [lied|is right|will win]
        <the.org> [must|should|will] [answer|act|pay] before [May|June|Monday]
        [it was not|it has not been] an easy [match|year|decision] for <PER.short>
        <LOC.country> [does not need|cannot accept] <matter>
        nobody in <place> wanted <building>
        the [people|farmers|workers] of <place> [deserve|asked for] <building>
        <MISC.nat> [voters|investors|exporters] [are tired|will decide|have lost faith]
        [this|that] is the best [player|team] <the.club> ever had
        """
    ),
    "quote": lines(
        """
        *4 <claim>
        we [want|need|expect] <the.org> to [pay for|explain|withdraw] <matter>
        I [never met|trust|know] <PER.short> [and his lawyer|personally|and the family]
        we will [play|train|stay] in <place> [until|before] <month>
        """
    ),
    "common": lines(
        """
        [The|A] [minister|judge|spokesman|doctor] [did not say|could not explain] [why|how|when]
        [Prices|Wages|Taxes|Exports] [rose|fell] <d> percent in [January|March|August|October]
        [No one|Nobody|Only the pilot] was [hurt|blamed|charged] , the report added
        [Rain|Snow|Wind] is [expected|likely] on [Monday|Friday|Sunday]
        [Experts|Critics|Workers|Voters] [fear|welcome|ignore|discussed] <matter>
        [The|This|Every] <adj> <noun> [affects|needs|requires] <topic>
        [Nobody|Everyone] [wants to pay for|talks about] <building>
        [Talks|Elections|Repairs] will [begin|resume|end] on [July|April|June] <day>
        [However|Meanwhile|In fact] , the [plan|budget|trial] [was put off|went ahead] [last|this] week
        """
    ),
    "adverbial": lines(
        """
        in <place>
        [on|last] <weekday>
        [earlier|later] in <place>
        [according to|in a letter to] <the.org>
        [meanwhile|however|in addition]
        after [a meeting|talks] with <someone>
        in <year>
        *2 <adverb>
        """
    ),
    "when": lines(
        """
        on <weekday>
        on <month> <day>
        in <month>
        in <year>
        [last week|last month|yesterday|today|this year]
        """
    ),
    "after": lines(
        """
        after [talks|a meeting] with <someone>
        [despite|because of] <matter>
        at a [conference|ceremony|hearing] in <place>
        , [according to|a source told] <the.org>
        , <source> [said|reported]
        for the <MISC.event>
        """
    ),
    "that": words("that that that_on_<weekday>"),
    "weekday": words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "month": words("January February March April May June July August September October November December"),
    # Noun phrases
    "someone": lines(
        """
        *7 <PER>
        *2 <PER.short>
        *2 <title> <PER>
        *3 <job> <PER>
        <PER> of <the.org>
        <PER> , <role> ,
        <MISC.nat> <job> <PER>
        <ORG> <post> <PER>
        the <post> of <the.org> , <PER> ,
        the [former|new] <MISC.nat> <job>
        the <MISC.born> <job> <PER>
        """
    ),
    "title": words("President Senator Mr Mrs Dr Judge Professor Prime_Minister Bishop General"),
    "job": words("minister lawyer striker coach spokesman writer economist director singer painter champion mayor"),
    "post": words("chairman president director spokesman analyst secretary manager lawyer captain vice_president"),
    "role": lines(
        """
        [head|president|a member|secretary] of <the.org>
        mayor of <LOC.city>
        a <job> from <place>
        <post> of <the.org>
        [bishop|governor] of <place>
        winner of the <MISC.event>
        """
    ),
    "the.org": lines("*3 <ORG.company>\n*2 the <ORG.public>\n<ORG.school>\nthe <ORG.acronym>\n<ORG.acronym>"),
    "the.club": ("<ORG.club>",),
    "source": lines(
        """
        police
        officials
        the <ORG.public>
        the agency <ORG.agency>
        the newspaper <ORG.paper>
        <PER.short>
        """
    ),
    "a.work": lines(
        """
        a [book|study|report] on <place>
        a biography of <PER>
        " <MISC.work> "
        the <MISC.nat> [edition|version] of " <MISC.work> "
        """
    ),
    # Lists and headlines
    "score": lines(
        """
        <ORG.club> <goals.few> <ORG.club> <goals>
        <ORG.nation> <goals.few> <ORG.nation> <goals>
        <ORG.club> <goals.few> <ORG.club> <goals> ( halftime 0-0 ) .
        <d> . <PER> ( <LOC.country> ) <d>:<tens><0>.<0>
        <PER> ( <LOC.country> ) beat <PER> ( <LOC.country> ) <set> <set>
        <ORG.club> - <ORG.club> <draw> .
        """
    ),
    "ranking": lines(
        """
        [scorers|attendance] : <PER.short> <d><0> , <PER.short> <d><0> , <PER.short> <d><0> .
        [group A|standings] : <ORG.club> , <d><0> points ; <ORG.club> , <d><0> ; <ORG.club> , <d> .
        [offices|branches|routes] : <LOC.city> , <LOC.city> , <LOC.city> and <LOC.city> .
        <PER> , <PER> and <PER> ( <LOC.country> ) .
        """
    ),
    "market": lines(
        """
        <ORG.company> [up|down] <d>.<0> at <n> .
        <LOC.city> [gold|coffee|wheat] <n>.<0> dollars , [up|down] <d> .
        """
    ),
    "headline": lines(
        """
        soccer - <ORG.club> beat <ORG.club> <win> .
        <MISC.nat> [bank|minister|army] [denies|rejects] <matter> .
        <LOC.country> [signs|rejects] <matter> .
        <ORG.company> [shares fall|to close plant] in <place> .
        """
    ),
    "slogan": lines(
        """
        *2 [no a|viva|queremos|basta de|nunca más] [la guerra|la paz|el pueblo|los ladrones|la reforma|las mentiras]
        [que se vaya|fuera] el [ministro|general|presidente]
        [pan|agua|tierra|libertad] para [todos|el pueblo|los pobres]
        """
    ),
}
