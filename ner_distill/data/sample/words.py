"""Ordinary words of the English and the Spanish sample, many of them rare.

Without them a word that a model does not know would nearly always be a name, as it is in no real text.
"""

from __future__ import annotations

from ner_distill.data.sample.grammar import Rules, lines, words

ENGLISH_WORDS: Rules = {
    "matter": lines(
        """
        *3 the <adj> <noun>
        *2 the <noun>
        the <noun> and the <noun>
        the <adj> <noun> of the <noun>
        [its|the new|a secret] <noun> on <topic>
        <topic> and <topic>
        """
    ),
    "building": lines("[a|the] <build>\n[a|the] <adj.place> <build>\ntwo <build>s"),
    "adj": words(
        "annual civil central coastal commercial confidential constitutional controversial costly criminal cultural "
        "delayed digital diplomatic disputed double draft economic educational electoral emergency experimental "
        "federal final fiscal fragile fraudulent general generous global historic illegal imaginary immediate "
        "industrial informal interim internal joint judicial legal liberal linguistic local maritime medical "
        "military minimal modest moral municipal national nominal normal official parliamentary partial peculiar "
        "pending personal political popular premature presidential previous principal private proposed provincial "
        "provisional public radical recent regional religious revised rural scientific secret sentimental severe "
        "simple social solar special strategic sudden technical temporary tense total tropical unpaid urgent "
        "useless verbal viral voluntary weekly widespread"
    ),
    "noun": words(
        "agreement airlift alliance amendment amnesty apology appeal assault attack auction audit ban bill blockade "
        "boycott budget campaign ceasefire census charge commission compensation concession conflict contract "
        "corruption crisis debate debt decision decree deficit delay demonstration devaluation dispute documents "
        "drought election emission epidemic evacuation evaluation evidence exhibition expedition expulsion fishery "
        "fraud frequency grant harvest hypothesis incident inflation initiative inspection insurance intervention "
        "investigation invoice irrigation legislation licence loan lottery mediation merger mission mobilisation "
        "monopoly motion negotiation nomination occupation offensive opposition pact pension petition plan "
        "pollution privatisation production programme project promise proposal prosecution protest proverb "
        "provocation publication question referendum reform regulation resolution restoration sanction scandal "
        "schedule selection session spill strategy strike subsidy summit tariff tax transaction treaty trial "
        "tribute truce vaccination verdict veto violation vote warning"
    ),
    "topic": words(
        "agriculture bananas barley biology cattle chemistry cocaine coffee copper crime culture cybersecurity debt "
        "drugs education electricity energy extradition fertiliser fishing football gasoline health housing hunger "
        "immigration justice labour malaria medicine music oil physics piracy pollution poverty privacy rice "
        "salaries science security smuggling sugar tennis terrorism textiles tobacco tourism trade transport "
        "unemployment uranium vaccines water wine"
    ),
    "build": words(
        "airport bridge canal cathedral dam factory hospital library mine museum oilfield pipeline port prison "
        "railway refinery school stadium station theatre tunnel vineyard warehouse"
    ),
    "adj.place": words(
        "flooded abandoned nuclear central municipal regional private ruined modern medieval industrial rural"
    ),
    "adverb": words(
        "unexpectedly officially finally surprisingly technically traditionally generally fortunately curiously "
        "evidently ironically predictably sadly secretly simultaneously theoretically ultimately apparently "
        "naturally publicly"
    ),
}

SPANISH_WORDS: Rules = {
    "matter": lines(
        """
        *3 <the.~> <noun.~> <adj.~>
        *2 <the.~> <noun.~>
        <the.~> <noun.~> y la <noun.f>
        la <noun.f> <adj.f> de el <noun.m>
        [su|una nueva|otra] <noun.f> sobre <the.topic>
        <the.topic> y <the.topic>
        """
    ),
    "building": lines(
        """
        [un|el] <build.m>
        [una|la] <build.f>
        [un|el nuevo|el viejo] <build.m> <adj.place>
        [una|la] <build.f> <adj.place>
        """
    ),
    "adj.m": lines("*3 <adj.any>\n<adj.stem>o"),
    "adj.f": lines("*3 <adj.any>\n<adj.stem>a"),
    "adj.any": words(
        "anual civil central comercial confidencial constitucional cultural digital electoral elemental "
        "experimental federal final fiscal formal frágil general global ilegal imparcial importante industrial "
        "informal internacional judicial legal liberal local marginal material mensual militar mineral moral "
        "municipal nacional natural nominal normal oficial original parcial penal personal policial popular "
        "presidencial principal provincial provisional radical regional rural secular semanal sentimental social "
        "solar total tropical urgente verbal vital ambiental reciente suficiente grave"
    ),
    "adj.stem": words(
        "públic privad diplomátic económic polític científic histéric técnic estratégic lingüístic marítim médic "
        "polémic prematur previ propi jurídic secret sever súbit históric voluntari extraordinari tributari "
        "monetari agrari definitiv administrativ colectiv abusiv negociad pactad discutid aplazad revisad"
    ),
    "noun.m": words(
        "acuerdo ataque atentado bloqueo boicot brote calendario caso censo certificado cese conflicto consenso "
        "contrato debate decreto déficit documento embargo embarque escándalo expediente experimento fracaso fraude "
        "gasto golpe homenaje impuesto incidente indulto informe juicio monopolio pacto paro permiso plan plazo "
        "presupuesto proceso programa proverbio proyecto recurso referéndum reglamento relevo robo secuestro "
        "servicio sorteo subsidio tratado traslado veto vertido viaje"
    ),
    "noun.f": words(
        "alianza amenaza amnistía asamblea ayuda campaña comisión compensación concesión constitución corrupción "
        "crisis decisión denuncia deuda devaluación disculpa emisión encuesta epidemia estrategia evaluación "
        "evacuación exposición expedición expulsión factura financiación fusión gestión hipótesis huelga iniciativa "
        "inspección inundación inversión investigación legislación ley licencia lotería manifestación mediación "
        "misión moción negociación nominación oferta ofensiva ocupación oposición pensión petición propuesta "
        "prohibición protesta querella reforma regulación resolución sanción sentencia sequía sesión subvención "
        "subasta tarifa tregua vacunación votación"
    ),
    "the.topic": lines("el <topic.m>\nla <topic.f>\nlos <topic.ms>\nlas <topic.fs>"),
    "topic.m": words(
        "café azúcar petróleo tabaco turismo terrorismo transporte comercio paro contrabando fútbol cobre arroz trigo"
    ),
    "topic.f": words(
        "agricultura energía pobreza sanidad justicia seguridad educación pesca inmigración piratería ciencia malaria"
    ),
    "topic.ms": words(
        "salarios impuestos plátanos refugiados fertilizantes jubilados incendios mariscos tipos_de_interés vinos"
    ),
    "topic.fs": words(
        "drogas vacunas tarifas autopistas exportaciones minas fronteras pensiones telecomunicaciones patentes"
    ),
    "build.m": words(
        "aeropuerto puente canal museo hospital estadio puerto teatro túnel oleoducto ferrocarril almacén viñedo"
    ),
    "build.f": words("biblioteca catedral escuela fábrica mina estación prisión presa refinería autopista depuradora"),
    "adj.place": words("central municipal regional nuclear provincial industrial rural comercial local"),
    "adverb": words(
        "inesperadamente oficialmente finalmente sorprendentemente técnicamente tradicionalmente generalmente "
        "afortunadamente curiosamente evidentemente irónicamente lamentablemente simultáneamente aparentemente "
        "naturalmente"
    ),
}
